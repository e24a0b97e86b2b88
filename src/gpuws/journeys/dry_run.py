"""`gpuws up --dry-run`: every remote file, process and port that `up` would make."""

from __future__ import annotations

from gpuws.engines.engine import engine_for
from gpuws.engines.files import plan_files, plan_processes
from gpuws.environments.build import BuildOrder, plan_lines
from gpuws.environments.fetching import public
from gpuws.environments.mirrors import plan_words
from gpuws.journeys import tmux
from gpuws.journeys.orders import environment_order
from gpuws.plan.decide import UpPlan
from gpuws.plan.model import HostFacts
from gpuws.plan.requests import UpRequest
from gpuws.plan.results import Plan
from gpuws.plan.way import Way

_JUPYTERS = (".jupyter", ".ipython", ".local/share/jupyter", ".npm")


def plan(request: UpRequest, decided: UpPlan, facts: HostFacts, way: Way | None) -> Plan:
    """What would be brought is taken for granted."""
    lacking = tmux.to_bring(request, decided, facts)
    facts = tmux.planned(facts) if lacking else facts
    building = decided.environment.build
    build = environment_order(request, decided, facts) if building else None
    orders = tuple(each for each in (lacking, build) if each)
    files = tuple(line for each in orders for line in plan_lines(each))
    files += (f"{decided.root}/tools/tmux",) if lacking else ()
    made, processes = _session(request, decided, facts)
    port = f"127.0.0.1:{request.local_port or decided.wanted_port} on this laptop"
    return Plan(
        workspace=f"{request.reach.host}/{decided.name}",
        files=tuple(dict.fromkeys(files + made)),
        processes=processes + tuple(map(_building, orders)),
        ports=(port,) if request.jupyter else (),
        move_mb=None if orders else 0.0,
        steps=_bringing(lacking) + _mirrored(orders) + _steps(request, decided, facts, build, way),
    )


def _session(
    request: UpRequest, decided: UpPlan, facts: HostFacts
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files and processes of a session that is started."""
    if decided.session == "keep":
        return (), ()
    engine = engine_for(facts).name
    where = (decided.root, decided.name, decided.run, decided.dir)
    files = plan_files(*where, request.jupyter, engine) + _beside(request, decided, facts)
    return files, plan_processes(decided.run, decided.name, request.jupyter, engine)


def _building(order: BuildOrder) -> str:
    return f"{order.engine.name}: the build of {order.prefix}, until it is done"


def _bringing(order: BuildOrder | None) -> tuple[str, ...]:
    if order is None:
        return ()
    where = ", ".join(map(public, order.effective_channels))
    return (f"bring tmux from {where} with {order.choice.tool}: the host has none to use",)


def _mirrored(orders: tuple[BuildOrder, ...]) -> tuple[str, ...]:
    """Where packages would come from: of each address, the host is only asked when it is used."""
    return tuple(dict.fromkeys(words for each in orders if (words := plan_words(each))))


def _beside(request: UpRequest, decided: UpPlan, facts: HostFacts) -> tuple[str, ...]:
    """What a session makes outside its own folder."""
    made: tuple[str, ...] = ()
    if decided.environment.prefix.startswith(f"{decided.root}/envs/"):
        made = (f"{decided.root}/envs/{decided.name}",)
    if decided.root != f"{facts.home}/gpuws":
        made += (f"{facts.home}/.gpuws-root",)
    if request.jupyter:
        made += tuple(f"{facts.home}/{each}/ (Jupyter's own, where missing)" for each in _JUPYTERS)
    return made


def _steps(
    request: UpRequest,
    decided: UpPlan,
    facts: HostFacts,
    build: BuildOrder | None,
    way: Way | None,
) -> tuple[str, ...]:
    environment = (
        f"build {decided.environment.prefix} with {build.choice.tool} ({build.choice.why})"
        if build
        else f"use {decided.environment.prefix}"
    )
    if build and build.lock and request.offline:
        environment = f"send {len(build.lock.packages)} archives that it lacks; {environment}"
    free = f"{facts.disk_free_mb / 1000:.1f} GB free in {facts.root}"
    session = {
        "start": f"start JupyterLab in {decided.dir}" if request.jupyter else "start a session",
        "keep": "keep the session that runs",
        "take": "take the session over from a machine that gives no sign of life, after a yes",
        "restart": "stop the session that runs and start it anew",
    }[decided.session]
    reached = (f"reach Jupyter on {way.value}",) if way else ()
    return (f"{environment}; {free}", session, *reached, *decided.notes, *decided.warnings)
