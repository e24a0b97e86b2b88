"""What is built on the host, as orders: the workspace's environment, a tmux where it lacks one."""

from __future__ import annotations

from dataclasses import replace

from gpuws.engines.engine import SETSID, Engine, engine_for
from gpuws.environments.choose import choose, tool_channels
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.plan.checks import modules, sees_cards
from gpuws.plan.decide import UpPlan
from gpuws.plan.lock import of_lock
from gpuws.plan.model import EnvironmentSpec, HostFacts
from gpuws.plan.naming import environment_hash
from gpuws.plan.requests import UpRequest


def environment_order(request: UpRequest, plan: UpPlan, facts: HostFacts) -> BuildOrder:
    """The environment that the plan names."""
    if request.spec is None:
        raise GpuwsError("bug", "a build was ordered without an environment file")
    wanted = plan.environment
    spec = replace(request.spec, local=wanted.local)
    spec = of_lock(spec, wanted.lock) if wanted.lock else spec
    engine = engine_for(facts)
    order = _order(request, plan, facts, spec, engine, wanted.hash, extra=wanted.extra)
    declared = request.reach.entry.check
    return replace(
        order,
        check=modules(request.spec, declared),
        cards=sees_cards(request.spec, declared, facts, plan.gpus),
        declared=wanted.declared if wanted.kept else "",
        kept=wanted.kept,
        lock=wanted.lock,
        offline=request.offline,
        shared=wanted.shared,
    )


def tmux_order(request: UpRequest, plan: UpPlan, facts: HostFacts) -> BuildOrder:
    """An environment of tmux alone, from the channels that a tool of ours comes from."""
    named = request.spec.channels if request.spec else ()
    channels = request.reach.entry.channels
    spec = EnvironmentSpec(
        "tmux", "conda", channels=tool_channels(channels, named), conda=("tmux",)
    )
    digest = environment_hash(
        spec, extra=(), machine=facts.machine, channels=channels, pip_index=None
    )
    return _order(request, plan, facts, spec, SETSID, digest)


def _order(
    request: UpRequest,
    plan: UpPlan,
    facts: HostFacts,
    spec: EnvironmentSpec,
    engine: Engine,
    digest: str,
    *,
    extra: tuple[str, ...] = (),
) -> BuildOrder:
    entry = request.reach.entry
    return BuildOrder(
        root=plan.root,
        run_base=facts.run_base,
        engine=engine,
        spec=spec,
        extra=extra,
        choice=choose(spec, facts),
        hash=digest,
        channels=entry.channels,
        pip_index=entry.pip_index,
        mirror=entry.mirror,
        cache_dir=entry.cache_dir,
        prologue=entry.prologue,
        env=entry.env,
        cuda=facts.cuda,
        facts=facts,
        wanted_by=plan.name,
    )
