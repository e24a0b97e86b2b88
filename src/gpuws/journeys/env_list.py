"""`gpuws env list`: the environments that gpuws made on a host, and who uses them."""

from __future__ import annotations

from dataclasses import asdict

from gpuws.engines.session import look
from gpuws.environments.inventory import inventory
from gpuws.journeys.world import World
from gpuws.plan.requests import EnvironmentsRequest
from gpuws.plan.results import Listed


def run(request: EnvironmentsRequest, world: World) -> Listed:
    """Two round trips."""
    reach = request.reach
    with world.host(reach) as host:
        seen = look(host, root=reach.entry.root or "")
        shared = reach.entry.shared_root or ""
        found = inventory(host, root=seen.root, workspaces=seen.workspaces, shared=shared)
    listed = tuple(asdict(each) for each in found)
    return Listed(reach.host, seen.root, listed, shared_root=shared)
