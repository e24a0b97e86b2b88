"""The step of `up` that makes the environment be there, and asks what it sees of the cards."""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments import frameworks, local
from gpuws.environments.build import BuildOrder, Built, ensure
from gpuws.errors import GpuwsError
from gpuws.journeys import as_built, drifted, offline
from gpuws.journeys.orders import environment_order
from gpuws.journeys.world import World
from gpuws.plan.decide import UpPlan
from gpuws.plan.model import HostFacts
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest


def environment(
    request: UpRequest, plan: UpPlan, facts: HostFacts, host: Host, world: World
) -> Built | None:
    """The prefix that the plan names, built where it is not there. None: it was there."""
    if not plan.environment.build:
        drifted.refuse(request, plan, host)
        return None
    world.report.stage("environment", request.spec.source if request.spec else "")
    order = environment_order(request, plan, facts)
    if request.offline:
        order = offline.sent(order, host, world)
    built = _accepted(order, host, world)
    if built.action == "created":
        as_built.say_moved(request, plan, host, world)
    return built


def _accepted(order: BuildOrder, host: Host, world: World) -> Built:
    try:
        return _built(order, host, world)
    except GpuwsError as error:
        if error.code != "terms-of-service" or not _accepts(error, world):
            raise
    return _built(replace(order, accept_terms=True), host, world)


def _built(order: BuildOrder, host: Host, world: World) -> Built:
    local.bring(host, order, world.report)
    return ensure(host, order, world.report, world.fetch)


def where_it_is(plan: UpPlan, built: Built | None) -> UpPlan:
    """An environment that could not be shared lies in one's own root."""
    if built is None or built.prefix == plan.environment.prefix:
        return plan
    return replace(plan, environment=replace(plan.environment, prefix=built.prefix, shared=""))


def _accepts(error: GpuwsError, world: World) -> bool:
    """The channel's terms are the person's to accept; nothing accepts them for anybody."""
    world.report.warn(error.message)
    return world.ask.confirm("do you accept these Terms of Service?", flag="`conda tos accept`")


def ask_frameworks(
    request: UpRequest, facts: HostFacts, built: Built | None, host: Host, world: World
) -> None:
    """A new environment is asked once whether its framework sees the cards."""
    if built is None or built.action != "created" or request.spec is None or not facts.gpus:
        return
    names = frameworks.declared(request.spec)
    if names:
        world.report.stage("frameworks", ", ".join(names))
    for each in frameworks.ask(host, built.prefix, names) if names else ():
        bad, said = frameworks.verdict(each, request.spec, facts.gpus)
        (world.report.warn if bad else world.report.note)(said)
