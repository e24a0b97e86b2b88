"""`gpuws exec`: one command in the workspace's environment, in the foreground."""

from __future__ import annotations

from gpuws.engines.entering import enter
from gpuws.journeys.entering import find_to_enter
from gpuws.journeys.world import World
from gpuws.plan.requests import WorkspaceRequest
from gpuws.plan.results import Exited


def run(request: WorkspaceRequest, world: World) -> Exited:
    """The command's own exit code."""
    with world.host(request.reach) as host:
        seen, workspace = find_to_enter(host, request)
        program, args = enter(seen.root, workspace, request.command)
        pty = world.terminal.size() if request.pty else None
        process = host.open_process(program, *args, pty=pty, term=request.term)
        return Exited(world.terminal.run_process(process))
