"""`gpuws forward`: one more local port of a workspace, to a port or a Unix socket of its host."""

from __future__ import annotations

from gpuws.engines.forwards import remember
from gpuws.errors import GpuwsError
from gpuws.journeys.attach import gone
from gpuws.journeys.forwarding import open_one, wanted
from gpuws.journeys.way import ALIVE, find
from gpuws.journeys.world import World
from gpuws.plan.forwards import remote_of
from gpuws.plan.model import NamedForward, Workspace
from gpuws.plan.requests import ForwardRequest, Reach
from gpuws.plan.results import Forwarded


def run(request: ForwardRequest, world: World) -> Forwarded:
    """It joins the tunnel that is open and ends with it. Where none is, it brings a connection of
    its own that stays in the background: as with ``ssh -L``, a port is asked for and must work
    when the command returns, and nobody asked for Jupyter's."""
    reach, forward = request.reach, request.forward
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        if workspace.state not in ALIVE:
            raise gone(reach.host, workspace, seen.boot_time, seen.now)
        _refuse_another(forward, reach, workspace)
        local = _open(forward, reach, workspace, world)
        remember(host, root=seen.root, name=workspace.name, forward=forward)
    place = f"{reach.host}/{workspace.name}"
    return Forwarded(place, forward.name, remote_of(forward.target), local)


def _open(forward: NamedForward, reach: Reach, workspace: Workspace, world: World) -> int:
    try:
        return open_one(world, reach, workspace, forward, port=forward.local_port)
    except GpuwsError as error:
        if error.code == "local-port-taken":
            place = f"{reach.host}/{workspace.name}"
            error.hint = f"`gpuws forward {place} {remote_of(forward.target)}` takes a free one"
        raise


def _refuse_another(forward: NamedForward, reach: Reach, workspace: Workspace) -> None:
    """One name, one way: an address that somebody has open must not lead elsewhere."""
    known = {each.name: each for each in wanted(reach, workspace)}
    other = known.get(forward.name)
    if other is None or other.target == forward.target:
        return
    place = f"{reach.host}/{workspace.name}"
    again = f"`gpuws forward {place} {remote_of(forward.target)} NAME`"
    raise GpuwsError(
        "forward-exists",
        f"the forward {forward.name} of {place} leads to {remote_of(other.target)}",
        hint=f"{again} gives this one a name of its own; `gpuws forward rm {place} "
        f"{forward.name}` ends the other",
    )
