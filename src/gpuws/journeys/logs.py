"""`gpuws logs`: Jupyter's log, or the environment build's."""

from __future__ import annotations

from gpuws.engines.entering import read_log
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.requests import Exited, WorkspaceRequest

_EVERY = 1.0  # seconds between two looks with --follow


def run(request: WorkspaceRequest, world: World) -> Exited:
    """Writes to the terminal; with ``follow`` until the person leaves."""
    with world.host(request.reach) as host:
        seen, workspace = find(host, request.reach, request.name)
        offset = -1
        while True:
            part = read_log(
                host,
                root=seen.root,
                name=workspace.name,
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
