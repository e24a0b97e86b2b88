"""`up` where another machine's volume hangs: a yes where it is needed, and what still works."""

from __future__ import annotations

from gpuws.environments.works import fault
from gpuws.errors import GpuwsError
from gpuws.journeys.world import World
from gpuws.plan.adopting import adopted, still_there
from gpuws.plan.checks import modules
from gpuws.plan.decide import UpPlan
from gpuws.plan.model import HostFacts
from gpuws.plan.nodes import node_of
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest

_JUPYTER = ("jupyterlab", "ipykernel")


def confirm(request: UpRequest, plan: UpPlan, facts: HostFacts, world: World) -> None:
    """Before anything is built. Raises locked unless a person, or --here, says that it is gone."""
    if plan.session != "take" or request.here or plan.existing is None:
        return
    refusal = still_there(plan.existing, request.reach.host, facts.now)
    world.report.warn(refusal.message)
    question = f"is {node_of(plan.existing)} gone, and shall the workspace start here instead?"
    try:
        said = world.ask.confirm(question, flag="--here")
    except GpuwsError as error:
        if error.code != "prompt-needed":
            raise
        said = False
    if not said:
        raise refusal


def check(request: UpRequest, plan: UpPlan, host: Host) -> None:
    """An environment that came along is tried once. Raises health-check-failed."""
    if not adopted(plan.existing) or plan.environment.build:
        return
    name = f"{request.reach.host}/{plan.name}"
    wanted = modules(request.spec, request.reach.entry.check) if request.spec else ()
    found = fault(host, plan.environment.prefix, (*(_JUPYTER if request.jupyter else ()), *wanted))
    if not found:
        return
    rebuild = f"`gpuws down {name} --rm-env`, then `gpuws up {request.reach.host}` builds it here"
    raise GpuwsError(
        "health-check-failed",
        f"the environment that came with the volume does not work on this machine: {found}",
        hint="name another one with --use-env" if plan.environment.use_env else rebuild,
        stage="environment",
    )
