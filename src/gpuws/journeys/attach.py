"""`gpuws attach`: open the way again, from the same or another laptop."""

from __future__ import annotations

from datetime import datetime

from gpuws.engines.session import wait_until_running
from gpuws.errors import GpuwsError
from gpuws.journeys import nodes
from gpuws.journeys.forwarding import lead_back, open_all, wanted
from gpuws.journeys.opening import begin_early
from gpuws.journeys.way import ALIVE, find, open_way, ready
from gpuws.journeys.world import Stopwatch, World
from gpuws.plan.adopting import ADOPTABLE
from gpuws.plan.model import Secret, Workspace
from gpuws.plan.nodes import out_of_sight
from gpuws.plan.requests import WorkspaceRequest
from gpuws.plan.results import Ready


def run(request: WorkspaceRequest, world: World) -> Ready:
    """One login, one script, one channel. Nothing on the host is changed."""
    watch = Stopwatch(world.clock)
    reach = request.reach
    world.report.stage("connect", reach.destination)
    with world.host(reach) as host:
        watch.lap("connect_s")
        calls = host.calls
        world.report.stage("probe")
        early = begin_early(host, world.records.of(reach.host), request.name)
        try:
            seen, workspace = find(host, reach, request.name)
            if workspace.elsewhere:
                host = nodes.go(world, reach, workspace)
                calls = 0
                if early is not None:
                    early.end()
                    early = None
                seen, workspace = find(host, reach, workspace.name)
            watch.lap("probe_s")
            if workspace.state not in ALIVE:
                raise gone(reach.host, workspace, seen.boot_time, seen.now)
            workspace = wait_until_running(host, workspace, world.report, root=seen.root)
            token = seen.tokens.get(workspace.name, Secret(""))
            port = 0
            if workspace.raw.get("jupyter", True) or not wanted(reach, workspace):
                chosen = request.local_port
                port = open_way(
                    world, host, reach, workspace, token, port=chosen, watch=watch, early=early
                )
        finally:
            if early is not None:
                early.end()
        forwards = open_all(world, reach, workspace)
        lead_back(world, reach)
        calls = host.calls - calls
        return ready(reach, workspace, port, "none", watch, calls, forwards=forwards)


def gone(host: str, workspace: Workspace, boot_time: int, now: int) -> GpuwsError:
    """Why there is nothing to attach to, and what brings it back."""
    again = f"`gpuws up {host}` starts it again"
    if workspace.state in ADOPTABLE:
        return GpuwsError(
            "not-running",
            f"{out_of_sight(workspace, host, now)}; files and environment are kept",
            hint=f"`gpuws up {host}` starts it here, after a question where that machine may live",
        )
    if workspace.state == "rebooted":
        when = datetime.fromtimestamp(boot_time).strftime("%Y-%m-%d %H:%M") if boot_time else ""
        return GpuwsError(
            "rebooted",
            f"{host} rebooted {when}: the kernels of {workspace.name} are gone; files and "
            "environment are kept",
            hint=again,
        )
    return GpuwsError(
        "not-running",
        f"{host}/{workspace.name} is {workspace.state}; files and environment are kept",
        hint=f"`gpuws logs {host}/{workspace.name}` shows its last words; {again}",
    )
