"""A workspace that runs on another machine behind the same name: go there, or say which it is."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.journeys.way import probe
from gpuws.journeys.world import World
from gpuws.plan.model import HostFacts, Workspace
from gpuws.plan.nodes import node_of, not_here
from gpuws.plan.ports import Host
from gpuws.plan.requests import Reach


def probed_there(
    host: Host, reach: Reach, name: str, facts: HostFacts, world: World
) -> tuple[Host, HostFacts]:
    """The machine that the workspace runs on, and its facts; those at hand where it does not run
    elsewhere. Raises not-running, which names the machine."""
    workspace = next((each for each in facts.workspaces if each.name == name), None)
    if workspace is None or not workspace.elsewhere:
        return host, facts
    there = go(world, reach, workspace)
    facts = probe(there, reach)
    for each in facts.workspaces:
        if each.name == name and each.elsewhere:
            raise not_here(each)
    return there, facts


def go(world: World, reach: Reach, workspace: Workspace) -> Host:
    """The host's one connection, now to that machine; what else goes over it must not be cut."""
    others = [each.name for each in world.records.of(reach.host) if each.name != workspace.name]
    busy = [name for name in others if world.forwards.port(name) is not None]
    if busy:
        raise not_here(workspace, f"the tunnel of {reach.host}/{busy[0]} leads here")
    world.report.note(f"{reach.host}/{workspace.name} runs on {node_of(workspace)}: going there")
    try:
        return world.node(reach, node_of(workspace))
    except GpuwsError as error:
        raise not_here(workspace, error.message) from None
