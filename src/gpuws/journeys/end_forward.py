"""`gpuws forward rm`: the end of one forward, here and in the host's memory."""

from __future__ import annotations

from gpuws.engines.forwards import forget
from gpuws.errors import GpuwsError
from gpuws.journeys.forwarding import wanted
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.model import Workspace
from gpuws.plan.requests import EndForwardRequest, Reach
from gpuws.plan.results import ForwardEnded


def run(request: EndForwardRequest, world: World) -> ForwardEnded:
    """Raises forward-not-found where neither this laptop nor the host knows it."""
    reach, name = request.reach, request.forward
    outage = world.forwards.outage()
    if outage:
        return _ended_here(request, outage, world)
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        remembered = forget(host, root=seen.root, name=workspace.name, forward=name)
    closed = world.forwards.close(workspace.name, name)
    known = [each.name for each in wanted(reach, workspace)]
    if not (remembered or closed or name in known):
        raise _not_there(reach, workspace.name, name, known)
    if name in _declared(reach, workspace):
        world.report.note(
            f"{name} stands in hosts.yaml, or in a file that the last start read: the next "
            "`gpuws attach` opens it again"
        )
    return ForwardEnded(f"{reach.host}/{workspace.name}", name, closed)


def _ended_here(request: EndForwardRequest, outage: str, world: World) -> ForwardEnded:
    """While the host cannot be asked: the listener goes, what the host remembers stays."""
    host = request.reach.host
    name = request.name or next((each.name for each in world.records.of(host)), "")
    if not world.forwards.close(name, request.forward):
        raise GpuwsError("connection-lost", outage, stage="connect", retryable=True)
    world.report.note(
        f"{host} cannot be reached and still lists {request.forward}: the next `gpuws attach` "
        "opens it again; `gpuws forward rm` once more, when it is back, forgets it"
    )
    return ForwardEnded(f"{host}/{name}", request.forward, True)


def _declared(reach: Reach, workspace: Workspace) -> set[str]:
    at_start = workspace.raw.get("forwards")
    names = set(at_start) if isinstance(at_start, dict) else set()
    return names | {each.name for each in reach.entry.forwards}


def _not_there(reach: Reach, workspace: str, name: str, known: list[str]) -> GpuwsError:
    there = f"there: {', '.join(known)}" if known else f"`gpuws forward ls {reach.host}` lists all"
    return GpuwsError(
        "forward-not-found", f"{reach.host}/{workspace} has no forward named {name}", hint=there
    )
