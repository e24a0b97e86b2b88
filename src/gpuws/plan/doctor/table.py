"""Every check of a host, in the order in which it is told. Pure."""

from __future__ import annotations

from gpuws.plan.doctor.finding import Check
from gpuws.plan.doctor.machine import MACHINE
from gpuws.plan.doctor.network import NETWORK
from gpuws.plan.doctor.safety import SAFETY
from gpuws.plan.doctor.seen import Examined
from gpuws.plan.doctor.space import SPACE
from gpuws.plan.doctor.way import WAY

HOST: tuple[Check[Examined], ...] = (*WAY, *NETWORK, *MACHINE, *SPACE, *SAFETY)
