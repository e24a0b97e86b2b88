"""The GPUs' state now, for the panel: one round trip."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.host.probing import pulse_script
from gpuws.host.script import fields
from gpuws.plan.cards import cards_from
from gpuws.plan.model import Gpu
from gpuws.plan.ports import Host


def gpus(host: Host) -> tuple[Gpu, ...] | None:
    """Every card; None where the host does not answer. Never raises for a host that is slow."""
    try:
        return cards_from(fields(host.run(pulse_script(), timeout=15.0)))[0]
    except GpuwsError:
        return None
