"""Which TCP ports of the host the workspace's own processes have opened."""

from __future__ import annotations

from gpuws.host.script import fields, script
from gpuws.plan.open_ports import OpenPort, open_ports_from
from gpuws.plan.ports import Host

_FRAGMENTS = ("record.sh", "volume.sh", "look.sh", "root.sh", "folders.sh", "nonce.sh", "ports.sh")


def open_ports(host: Host, *, root: str, name: str) -> tuple[OpenPort, ...]:
    """Lowest port first, without Jupyter's and its kernels' own. ``root`` "": the host's own.

    Raises workspace-not-found, no-workspace, remote-shell and what a lost connection raises.
    """
    program = script("gpuws.engines", *_FRAGMENTS)
    return open_ports_from(fields(host.run(program, root, name, timeout=15.0), "tunnel"))
