"""`gpuws up --dry-run`: every remote file, process and port that `up` would make."""

from __future__ import annotations

from gpuws.engines.engine import engine_for
from gpuws.engines.files import plan_files, plan_processes
from gpuws.environments.build import BuildOrder, plan_lines
from gpuws.plan.decide import UpPlan
from gpuws.plan.model import HostFacts
from gpuws.plan.requests import Plan, UpRequest

_JUPYTERS = (".jupyter", ".ipython", ".local/share/jupyter", ".npm")


def plan(request: UpRequest, decided: UpPlan, facts: HostFacts, build: BuildOrder | None) -> Plan:
    """``build`` is the order that `up` would give, None where the environment is there."""
    starts = decided.session != "keep"
    engine = engine_for(facts).name
    files = plan_lines(build) if build else ()
    if starts:
        where = (decided.root, decided.name, decided.run, decided.dir)
        files += plan_files(*where, request.jupyter, engine)
        files += _beside(request, decided, facts)
    about = (decided.run, decided.name, request.jupyter, engine)
    processes = plan_processes(*about) if starts else ()
    if build:
        processes += (f"{build.engine.name}: the build of {build.prefix}, until it is done",)
    port = f"127.0.0.1:{request.local_port or decided.wanted_port} on this laptop"
    return Plan(
        workspace=f"{request.reach.host}/{decided.name}",
        files=tuple(dict.fromkeys(files)),
        processes=processes,
        ports=(port,) if request.jupyter else (),
        move_mb=None if build else 0.0,
        steps=_steps(request, decided, facts, build),
    )


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
    request: UpRequest, decided: UpPlan, facts: HostFacts, build: BuildOrder | None
) -> tuple[str, ...]:
    environment = (
        f"build {decided.environment.prefix} with {build.choice.tool} ({build.choice.why})"
        if build
        else f"use {decided.environment.prefix}"
    )
    free = f"{facts.disk_free_mb / 1000:.1f} GB free in {facts.root}"
    session = {
        "start": f"start JupyterLab in {decided.dir}" if request.jupyter else "start a session",
        "keep": "keep the session that runs",
        "restart": "stop the session that runs and start it anew",
    }[decided.session]
    return (f"{environment}; {free}", session, *decided.notes, *decided.warnings)
