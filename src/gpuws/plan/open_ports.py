"""``listening`` lines of the host → ports that a forward could lead to. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gpuws.plan import answers
from gpuws.plan.answers import Fields
from gpuws.plan.forwards import KNOWN, remote_of
from gpuws.plan.model import Target

_MOST = 64
_ADDRESS = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
_HERE = {
    "0100007F": "127.0.0.1",
    "00000000": "127.0.0.1",  # every address
    "0" * 32: "127.0.0.1",
    "0" * 16 + "FFFF00000100007F": "127.0.0.1",  # an IPv4 address as IPv6 writes it
    "0" * 24 + "01000000": "::1",
}
"""Addresses in the kernel's hex, of a host whose bytes go the usual way, and how to reach them."""


@dataclass(frozen=True)
class OpenPort:
    """A port that a process of the workspace listens on. ``command`` is cleaned."""

    port: int
    remote: str  # REMOTE, as `gpuws forward` takes it
    pid: int
    command: str
    name: str  # of the service that is known for it, else ""

    def __str__(self) -> str:
        return f"{self.port} ({self.name})" if self.name else str(self.port)


def open_ports_from(fields: Fields) -> tuple[OpenPort, ...]:
    """Each port once, lowest first; what cannot be believed is left out."""
    found: dict[int, OpenPort] = {}
    for line in answers.lines(fields, "listening")[:_MOST]:
        each = _open_port(line)
        if each:
            found.setdefault(each.port, each)
    return tuple(found[port] for port in sorted(found))


def _open_port(line: str) -> OpenPort | None:
    address, _, rest = line.partition("\t")
    pid, _, command = rest.partition("\t")
    number = answers.integer(pid, 1)
    target = _target(address)
    if number is None or target is None:
        return None
    shown = answers.clean(command, 120)
    return OpenPort(target.port, remote_of(target), number, shown, KNOWN.get(target.port, ""))


def _target(address: str) -> Target | None:
    found = _ADDRESS.fullmatch(address)
    port = int(found[2], 16) if found else 0
    if found is None or not port:
        return None
    host = _HERE.get(found[1]) or _dotted(found[1])
    return Target(host=host, port=port) if host else None


def _dotted(address: str) -> str:
    """An IPv4 address of the host's own; "" for other IPv6 ones, which cannot be told apart."""
    return ".".join(str(byte) for byte in bytes.fromhex(address)[::-1]) if len(address) == 8 else ""


def not_led_to(found: Iterable[OpenPort], remotes: Iterable[str]) -> list[OpenPort]:
    """Those that no forward leads to yet."""
    known = set(remotes)
    return [each for each in found if each.remote not in known]


def offer(each: OpenPort, place: str) -> str:
    """What a person may type for it."""
    return f"port {each} is open on the host: `gpuws forward {place} {each.remote}`"
