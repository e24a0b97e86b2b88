"""The step of `up` that keeps what a changed file leaves as it was, and says what moved."""

from __future__ import annotations

from gpuws.environments.installed import Installed, installed
from gpuws.journeys.world import World
from gpuws.plan.as_built import EVERYTHING, Before, holds, kept, moved
from gpuws.plan.decide import UpPlan, decide_up
from gpuws.plan.drift import drift
from gpuws.plan.export import declared_from
from gpuws.plan.model import HostFacts, Kept
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest

_MOST_TOLD = 8  # packages


def kept_plan(
    request: UpRequest, plan: UpPlan, facts: HostFacts, host: Host, world: World
) -> UpPlan:
    """The plan with what stays of the environment before; as it is where nothing does, or where
    another of the same declaration has all of it. Round trips only where the file changed."""
    if not plan.environment.before or request.renew == (EVERYTHING,):
        return plan
    wanted = _kept(request, plan, host, world)
    if wanted == plan.environment.kept:
        return plan
    if not plan.environment.build and holds(wanted, _look(plan, host, plan.environment.hash).now):
        return plan
    return decide_up(request, facts, wanted)


def _kept(request: UpRequest, plan: UpPlan, host: Host, world: World) -> Kept:
    """Nothing of an environment that was changed by hand."""
    found = _look(plan, host, plan.environment.before)
    renews = plan.environment.kept.renews
    if request.spec is None or found.then is None:
        return Kept(renews=renews)
    if drift(found.then, found.now):
        world.report.note(
            f"the environment before, {plan.environment.before}, was changed by hand: no version "
            "of it is kept"
        )
        return Kept(renews=renews)
    asked = declared_from(found.yml, found.pip, "", without=(), local=found.local)
    before = Before(asked, found.now)
    stays = kept(request.spec, plan.environment.extra, before, free=request.renew)
    return Kept(stays.conda, stays.pip, renews)


def _look(plan: UpPlan, host: Host, digest: str) -> Installed:
    return installed(host, root=plan.root, prefix=f"{plan.root}/envs/{digest}")


def say_moved(request: UpRequest, plan: UpPlan, host: Host, world: World) -> None:
    """After a build in another one's place."""
    if request.spec is None or not plan.environment.before:
        return
    then = _look(plan, host, plan.environment.before).now
    now = _look(plan, host, plan.environment.hash).now
    pairs = moved(request.spec, then, now)
    told = [f"{old.name} {old.version} -> {new.version}" for old, new in pairs[:_MOST_TOLD]]
    if told:
        more = f" and {len(pairs) - _MOST_TOLD} more" if len(pairs) > _MOST_TOLD else ""
        world.report.note(f"of what the file asks for, moved: {', '.join(told)}{more}")
