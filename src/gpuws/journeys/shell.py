"""`gpuws shell`: a terminal on the host, in the workspace's environment, inside tmux."""

from __future__ import annotations

from gpuws.engines.entering import enter_shell
from gpuws.journeys.entering import find_to_enter
from gpuws.journeys.world import World
from gpuws.plan.requests import WorkspaceRequest
from gpuws.plan.results import Exited


def run(request: WorkspaceRequest, world: World) -> Exited:
    """Leaving the terminal leaves the workspace running."""
    with world.host(request.reach) as host:
        seen, workspace = find_to_enter(host, request)
        program, args = enter_shell(seen.root, workspace)
        size = world.terminal.size() or (80, 24)
        process = host.open_process(program, *args, pty=size, term=request.term or "xterm")
        return Exited(world.terminal.run_process(process))
