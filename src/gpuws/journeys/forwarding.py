"""The step that up, attach and forward share: a workspace's forwards beside Jupyter's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuws.errors import GpuwsError
from gpuws.journeys.world import World
from gpuws.plan.forwards import first_port, joined
from gpuws.plan.model import NamedForward, Workspace
from gpuws.plan.requests import Reach


def wanted(reach: Reach, workspace: Workspace) -> tuple[NamedForward, ...]:
    """This laptop's hosts.yaml counts before what the host remembers."""
    return joined(reach.entry.forwards, workspace.forwards)


def free_name(forward: NamedForward, reach: Reach, workspace: Workspace) -> NamedForward:
    """Under another name where its own leads elsewhere already: its port's number, if that is
    free."""
    taken = {each.name for each in wanted(reach, workspace)}
    number = str(forward.target.port)
    names = (forward.name, number, *(f"{number}-{count}" for count in range(2, len(taken) + 3)))
    return replace(forward, name=next(each for each in names if each not in taken))


def open_all(world: World, reach: Reach, workspace: Workspace) -> tuple[dict[str, Any], ...]:
    """Each one, on the port that it had if that is free. One that cannot be opened is warned of:
    Jupyter is what the person came for."""
    for each in wanted(reach, workspace):
        try:
            open_one(world, reach, workspace, each)
        except GpuwsError as error:
            world.report.warn(f"the forward {each.name} is not open: {error.message}")
    return tuple(world.forwards.more(workspace.name))


def lead_back(world: World, reach: Reach) -> None:
    """The ports of ``reverse:``. A server that forbids it costs one warning, not the workspace."""
    for error in world.forwards.lead_back(reach.entry.reverse):
        hint = f"; {error.hint}" if error.hint else ""
        world.report.warn(f"{error.message}{hint}")


def open_one(
    world: World,
    reach: Reach,
    workspace: Workspace,
    forward: NamedForward,
    *,
    port: int | None = None,
) -> int:
    """The local port; ``port`` is used or refused (local-port-taken).

    Whether something listens over there is not asked, as with ``ssh -L``: it may come later, and
    a server that takes a single client must not have us for it.
    """
    place = f"{reach.host}/{workspace.name}"
    kept = world.records.port_of(place, forward.name)
    local = world.forwards.open(
        workspace.name,
        forward.target,
        port=port,
        wanted=first_port(forward, kept),
        forward=forward.name,
    )
    world.records.keep_port(place, forward.name, local)
    return local
