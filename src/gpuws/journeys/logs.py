"""`gpuws logs`: Jupyter's log, or the environment build's."""

from __future__ import annotations

from gpuws.engines.entering import read_log
from gpuws.engines.session import Look, look
from gpuws.journeys.way import among
from gpuws.journeys.world import World
from gpuws.plan.requests import WorkspaceRequest
from gpuws.plan.results import Exited

_EVERY = 1.0  # seconds between two looks with --follow


def run(request: WorkspaceRequest, world: World) -> Exited:
    """Writes to the terminal; with ``follow`` until the person leaves."""
    reach = request.reach
    with world.host(reach) as host:
        seen = look(host, root=reach.entry.root or "", name=request.name or "")
        name = _name(request, seen)
        offset = -1
        while True:
            part = read_log(
                host,
                root=seen.root,
                name=name,
                offset=offset,
                tail=request.tail,
                build=request.build,
            )
            offset = part.offset
            if part.text:
                world.terminal.write(part.text.encode())
            if not request.follow:
                return Exited(0)
            world.report.line("")  # ends the journey when the view has left
            world.sleep(_EVERY)


def _name(request: WorkspaceRequest, seen: Look) -> str:
    """A build that failed has left a log and no workspace; "" is whoever wanted the newest one."""
    if request.build and (request.name or not seen.workspaces):
        return request.name or ""
    return among(seen, request.reach.host, request.name).name
