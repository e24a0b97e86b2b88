"""`gpuws up`: make the workspace be there and open the way to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gpuws import __version__
from gpuws.engines.engine import engine_for
from gpuws.engines.session import Order, start, wait_until_running
from gpuws.environments.build import Built
from gpuws.journeys import adopting, as_built, building, choosing, down, dry_run, nodes, tmux
from gpuws.journeys.forwarding import lead_back, open_all
from gpuws.journeys.way import find, open_way, probe, ready, remember
from gpuws.journeys.world import Stopwatch, World
from gpuws.plan.decide import UpPlan, decide_up
from gpuws.plan.forwards import words_of
from gpuws.plan.inventory import earlier_after
from gpuws.plan.mirrors import hub
from gpuws.plan.model import HostFacts, Pairs, Secret, Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest
from gpuws.plan.results import Plan, Ready
from gpuws.plan.way import Way
from gpuws.services import jupyter


def run(request: UpRequest, world: World) -> Ready | Plan:
    """Safe to run again: what is there is kept, what is under way is joined."""
    watch = Stopwatch(world.clock)
    world.report.stage("connect", request.reach.destination)
    with world.host(request.reach) as host:
        watch.lap("connect_s")
        calls = host.calls
        world.report.stage("probe")
        host.prepare()
        ports = choosing.asked(host)
        facts = probe(host, request.reach)
        there, facts = nodes.probed_there(host, request.reach, request.name, facts, world)
        if there is not host:
            host, calls, ports = there, 0, choosing.asked(there)
        plan = as_built.kept_plan(request, decide_up(request, facts), facts, host, world)
        way = choosing.way(request, plan, host, ports)
        watch.lap("probe_s")
        if request.dry_run:
            return dry_run.plan(request, plan, facts, way)
        adopting.confirm(request, plan, facts, world)
        _say(world, plan, way)
        facts = tmux.brought(request, plan, facts, host, world)
        built = building.environment(request, plan, facts, host, world)
        plan = building.where_it_is(plan, built)
        adopting.check(request, plan, host)
        watch.lap("environment_s")
        workspace, token = _session(request, plan, facts, built, way, host, world)
        watch.lap("session_s")
        port = _open(request, workspace, token, host, world, watch)
        forwards = open_all(world, request.reach, workspace)
        lead_back(world, request.reach)
        building.ask_frameworks(request, facts, built, host, world)
        action, calls = _action(plan, built), host.calls - calls
        said = (*plan.notes, *plan.warnings)
        made = ready(request.reach, workspace, port, action, watch, calls, said, forwards=forwards)
        named = plan.environment.prefix
        return replace(made, beside="" if named == workspace.get("prefix") else named)


def _say(world: World, plan: UpPlan, way: Way | None) -> None:
    if way not in (None, Way.SOCKET):
        world.report.note(f"Jupyter listens on {way.value}")
    for text in plan.notes:
        world.report.note(text)
    for text in plan.warnings:
        world.report.warn(text)


def _session(
    request: UpRequest,
    plan: UpPlan,
    facts: HostFacts,
    built: Built | None,
    way: Way | None,
    host: Host,
    world: World,
) -> tuple[Workspace, Secret]:
    if plan.session == "keep":
        seen, workspace = find(host, request.reach, plan.name)
        world.report.note(f"{request.reach.host}/{plan.name} is already running: nothing changed")
        return wait_until_running(host, workspace, world.report, root=seen.root), seen.tokens.get(
            plan.name, Secret("")
        )
    if plan.session == "restart" and plan.existing:
        down.stop_one(request.reach, plan.existing, host, world, yes=request.yes)
    world.report.stage("session", plan.dir)
    token = world.new_secret()
    order = _order(request, plan, facts, built, way, token, world)
    workspace = start(host, order, world.report)
    if workspace.get("instance") == order.record["instance"]:
        return workspace, token
    # another `up` was quicker: what it started was kept, and its token is the one
    seen, workspace = find(host, request.reach, plan.name)
    return workspace, seen.tokens.get(plan.name, Secret(""))


@dataclass(frozen=True)
class _Identity:
    """What stays the same over down and up, and what is new each time."""

    base_url: str
    instance: str


def _identity(plan: UpPlan, world: World) -> _Identity:
    kept = plan.existing.get("base_url") if plan.existing else ""
    return _Identity(kept or f"/w-{world.new_id(16)}/", world.new_id(32))


def _order(
    request: UpRequest,
    plan: UpPlan,
    facts: HostFacts,
    built: Built | None,
    way: Way | None,
    token: Secret,
    world: World,
) -> Order:
    identity = _identity(plan, world)
    engine = engine_for(facts)
    launch = (
        jupyter.launch(
            workspace_folder=plan.folder,
            run=plan.run,
            prefix=plan.environment.prefix,
            base_url=identity.base_url,
            instance=identity.instance,
            dir=plan.dir,
            socket=way is not Way.PORT,
        )
        if request.jupyter
        else None
    )
    return Order(
        root=plan.root,
        run_base=facts.run_base,
        engine=engine,
        name=plan.name,
        record=_record(request, plan, facts, built, identity, engine.name, world),
        launch=launch,
        prefix=plan.environment.prefix,
        dir=plan.dir,
        token=token,
        prologue=request.reach.entry.prologue,
        env=_variables(request, plan),
        secret_env=request.secret_env,
        login_env=request.reach.entry.login_env,
        take=plan.session == "take",
    )


def _variables(request: UpRequest, plan: UpPlan) -> Pairs:
    entry = request.reach.entry
    chosen = dict(entry.env)
    if entry.cache_dir:
        for name, folder in (
            ("HF_HOME", "huggingface"),
            ("TORCH_HOME", "torch"),
            ("PIP_CACHE_DIR", "pip"),
            ("UV_CACHE_DIR", "uv"),
        ):
            chosen.setdefault(name, f"{entry.cache_dir.rstrip('/')}/{folder}")
    if endpoint := hub(entry):
        chosen.setdefault("HF_ENDPOINT", endpoint)
    if plan.gpus.visible is not None:
        chosen["CUDA_VISIBLE_DEVICES"] = plan.gpus.visible
    return tuple(chosen.items())


def _record(
    request: UpRequest,
    plan: UpPlan,
    facts: HostFacts,
    built: Built | None,
    identity: _Identity,
    engine: str,
    world: World,
) -> dict[str, Any]:
    """workspace.json: what any laptop needs for attach and down. No secrets."""
    kept = plan.existing.raw if plan.existing else {}
    caller = request.caller
    environment = {
        "tool": built.tool if built else _kept_tool(facts, plan),
        "hash": plan.environment.hash,
        "source": request.spec.source if request.spec else plan.environment.use_env,
        "added": list(plan.environment.extra),
    }
    return {
        "schema": 1,
        "gpuws": __version__,
        "name": plan.name,
        "id": kept.get("id") or world.new_id(16),
        "host": request.reach.host,
        "owner": {"person": caller.person, "laptop": caller.laptop, "folder": caller.folder},
        "node": facts.node,
        "boot_id": facts.boot_id,
        "engine": engine,
        "run": plan.run,
        "base_url": identity.base_url,
        "instance": identity.instance,
        "dir": plan.dir,
        "prefix": plan.environment.prefix,
        "use_env": request.use_env,
        "environment": environment,
        "gpus": list(plan.gpus.indices) if plan.gpus.indices is not None else None,
        "gpus_wanted": request.gpus,
        "local_port": request.local_port or plan.wanted_port,
        "earlier": earlier_after(plan.existing, plan.environment.prefix),
        "forwards": {each.name: words_of(each) for each in request.reach.entry.forwards},
        "jupyter": request.jupyter,
        "git": {"commit": request.git_commit, "dirty": request.git_dirty},
        "created": int(world.now()),
    }


def _kept_tool(facts: HostFacts, plan: UpPlan) -> str:
    """Which tool made an environment that was there already."""
    shared = facts.shared.prefixes if facts.shared else ()
    known = (*facts.prefixes, *shared)
    tools = [each.tool for each in known if each.hash == plan.environment.hash]
    return tools[0] if tools else "existing"


def _open(
    request: UpRequest,
    workspace: Workspace,
    token: Secret,
    host: Host,
    world: World,
    watch: Stopwatch,
) -> int:
    if not workspace.raw.get("jupyter", True):
        remember(world, request.reach, workspace)
        return 0
    return open_way(
        world, host, request.reach, workspace, token, port=request.local_port, watch=watch
    )


def _action(plan: UpPlan, built: Built | None) -> str:
    """created | reused | updated (another prefix became current) | none."""
    before = plan.existing.get("prefix") if plan.existing else ""
    if plan.environment.use_env or (plan.session == "keep" and built is None):
        return "none"
    if before and before != plan.environment.prefix and plan.session != "keep":
        return "updated"
    return built.action if built else "reused"
