"""Ports of the host that lead to the laptop: which ones were asked for, and what comes to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paramiko.message import Message

from gpuws.host.refusal import CONNECT_FAILED
from gpuws.plan.ports import Arrival, Flow, Sink

if TYPE_CHECKING:
    from gpuws.host.transport import Transport

LOOPBACK = "127.0.0.1"
_KIND = "forwarded-tcpip"

Arrived = Callable[[Arrival], None]


@dataclass(frozen=True)
class Coming:
    """A channel that the host asks for; the Arrival port. Numbers are the host's own."""

    transport: Transport
    remote: int
    window: int  # bytes
    packet: int  # bytes

    def accept(self, sink: Sink, /) -> Flow:
        return self.transport.accept_flow(self.remote, self.window, self.packet, sink)

    def refuse(self) -> None:
        self.transport.refuse_flow(self.remote, CONNECT_FAILED)


class Arrivals:
    """By port. ``take`` is the reader thread's: what it calls must not block."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._wanted: dict[int, Arrived] = {}

    def want(self, port: int, arrived: Arrived | None) -> None:
        """None: not any more."""
        if arrived is None:
            self._wanted.pop(port, None)
        else:
            self._wanted[port] = arrived

    def take(self, m: Message) -> bool:
        """Whether this is a channel for a port that was asked for; any other one is refused."""
        if m.get_text() != _KIND:
            return False
        numbers = m.get_int(), m.get_int(), m.get_int()
        address, port = m.get_text(), m.get_int()
        arrived = self._wanted.get(port) if address == LOOPBACK else None
        if arrived is not None:
            arrived(Coming(self._transport, *numbers))
        return arrived is not None
