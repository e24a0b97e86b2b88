"""How Jupyter is to be reached, decided by what the server lets through. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpuws.errors import GpuwsError

PORTS = "AllowTcpForwarding, PermitOpen, DisableForwarding"
SOCKETS = "AllowStreamLocalForwarding, DisableForwarding"
_BRIDGE = (
    "`bridge: stdio` in the host's entry of hosts.yaml, or --bridge stdio, leads Jupyter's "
    "connections through a program on the host instead; a site may forbid that, so ask first"
)


@dataclass(frozen=True)
class Ways:
    """What the server lets a connection reach. ``bridged``: all of it, as the host's own programs
    do, because it forwards nothing itself."""

    ports: bool
    sockets: bool
    bridged: bool = False


class Way(Enum):
    """Where Jupyter listens; the text is how a person is told."""

    SOCKET = "a Unix socket"
    PORT = "a loopback port of the host, because the server forwards to no Unix socket"
    BRIDGE = "a Unix socket, through a bridge: the server forbids forwarding"


def way_for(ways: Ways, host: str) -> Way:
    """The most private one that is open. Raises forwarding-refused where none is."""
    if ways.bridged:
        return Way.BRIDGE
    if ways.sockets:
        return Way.SOCKET
    if ways.ports:
        return Way.PORT
    raise GpuwsError(
        "forwarding-refused",
        f"{host} forbids forwarding, to ports as to Unix sockets, and Jupyter could not be reached "
        f"(its sshd_config: {PORTS}, AllowStreamLocalForwarding; or `restrict` before your key)",
        hint=_BRIDGE,
        stage="probe",
    )


def shut(ways: Ways, place: str, *, socket: bool) -> GpuwsError | None:
    """Why a Jupyter that listens already is out of reach; None where the server lets it through."""
    if ways.sockets if socket else ways.ports:
        return None
    where, options = ("a Unix socket", SOCKETS) if socket else ("a loopback port", PORTS)
    host = place.partition("/")[0]
    again = f"`gpuws up {host} --restart` starts it anew where it can be reached; kernels end"
    return GpuwsError(
        "forwarding-refused",
        f"{place} listens on {where}, and the server forwards to none (its sshd_config: {options})",
        hint=again if ways.ports or ways.sockets else _BRIDGE,
        stage="tunnel",
    )
