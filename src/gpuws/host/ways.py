"""What a server lets through: asked of it, before anything depends on it.

An OpenSSH server says "prohibited" of a port that it does not forward to, and "open failed" of a
Unix socket, whether it forbids those or nobody listens there: only one that lives can tell.
"""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from gpuws.plan.way import Ways

_DEAD = Target(port=1)  # tcpmux: nothing listens there, and whatever did would do as well


def ports_allowed(host: Host) -> bool:
    """One round trip, and nothing of it on the host. Raises what ends a connection."""
    return _opens(host, _DEAD, refused_by_nobody=True)


def ways(host: Host, ports: bool) -> Ways:
    """``ports``: what ``ports_allowed`` said. Two round trips; a socket lives for some seconds."""
    if host.bridged:
        return Ways(ports=True, sockets=True, bridged=True)
    return Ways(ports, _sockets_allowed(host, ports))


def _sockets_allowed(host: Host, ports: bool) -> bool:
    """A host on which no such socket can be made: no server that we know forbids ports alone."""
    listen = script("gpuws.host", "listen.sh")
    path = fields(host.run(listen, in_sight=True), "probe").get("socket", [""])[0]
    return _opens(host, Target(socket=path)) if path else ports


def _opens(host: Host, target: Target, *, refused_by_nobody: bool = False) -> bool:
    try:
        host.open_stream(target).close()
    except GpuwsError as error:
        if error.code not in ("forwarding-refused", "tunnel-failed"):
            raise
        return refused_by_nobody and error.code == "tunnel-failed"
    return True
