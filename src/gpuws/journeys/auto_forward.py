"""`gpuws forward --auto`: ports that the workspace's processes opened, offered one by one."""

from __future__ import annotations

from dataclasses import asdict

from gpuws.engines.forwards import remember
from gpuws.engines.ports import open_ports
from gpuws.errors import GpuwsError
from gpuws.journeys.attach import gone
from gpuws.journeys.forwarding import free_name, open_one, wanted
from gpuws.journeys.way import ALIVE, find
from gpuws.journeys.world import World
from gpuws.plan.forwards import forward_from, remote_of
from gpuws.plan.model import Workspace
from gpuws.plan.open_ports import OpenPort, not_led_to
from gpuws.plan.ports import Host
from gpuws.plan.requests import AutoForwardRequest
from gpuws.plan.results import AutoForwarded, Forwarded


def run(request: AutoForwardRequest, world: World) -> AutoForwarded:
    """Where nobody can be asked they are only listed. Joins the tunnel as `gpuws forward` does."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        if workspace.state not in ALIVE:
            raise gone(reach.host, workspace, seen.boot_time, seen.now)
        found = open_ports(host, root=seen.root, name=workspace.name)
        led = {remote_of(each.target) for each in wanted(reach, workspace)}
        led |= {each["remote"] for each in world.forwards.more(workspace.name)}
        offered = not_led_to(found, led)
        chosen = [each for each in offered if request.yes or _asked(each, world)]
        opened = [_open(each, request, workspace, seen.root, host, world) for each in chosen]
    place = f"{reach.host}/{workspace.name}"
    return AutoForwarded(place, tuple(map(asdict, offered)), tuple(map(asdict, opened)))


def _asked(port: OpenPort, world: World) -> bool:
    question = f"forward port {port}, process {port.pid}: {port.command}?"
    try:
        return world.ask.confirm(question, flag="--yes")
    except GpuwsError as error:
        if error.code != "prompt-needed":
            raise
        return False


def _open(
    port: OpenPort,
    request: AutoForwardRequest,
    workspace: Workspace,
    root: str,
    host: Host,
    world: World,
) -> Forwarded:
    forward = free_name(forward_from(port.remote), request.reach, workspace)
    local = open_one(world, request.reach, workspace, forward)
    remember(host, root=root, name=workspace.name, forward=forward)
    return Forwarded(f"{request.reach.host}/{workspace.name}", forward.name, port.remote, local)
