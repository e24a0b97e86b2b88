"""Which way Jupyter is to be reached: known before anything is built for it."""

from __future__ import annotations

from collections.abc import Callable

from gpuws.host.later import later
from gpuws.host.ways import ports_allowed, ways
from gpuws.plan.decide import UpPlan
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest
from gpuws.plan.way import Way, way_for


def asked(host: Host) -> Callable[[], bool]:
    """The first question goes out beside the probe, and costs no time of its own."""
    return later(lambda: host.bridged or ports_allowed(host))


def way(request: UpRequest, plan: UpPlan, host: Host, ports: Callable[[], bool]) -> Way | None:
    """None where no Jupyter is to be started: one that runs is where it is, and to open the way
    to it says the rest. ``ports`` is what ``asked`` gave. Raises forwarding-refused."""
    if plan.session == "keep" or not request.jupyter:
        return None
    return way_for(ways(host, ports()), request.reach.host)
