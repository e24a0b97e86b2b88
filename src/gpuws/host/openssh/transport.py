"""SSH's connection protocol over a master of the system's ssh, which has logged in and encrypts.

A master in proxy mode (`ssh -O proxy`, OpenSSH 7.4) takes and gives the protocol's packets as they
are, and gives each client channel numbers of its own. So scripts, streams and flows are the same
code here as over a connection of ours; what differs is below.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable

from paramiko.common import cMSG_GLOBAL_REQUEST
from paramiko.message import Message
from paramiko.packet import Packetizer

from gpuws.host.arrivals import LOOPBACK, Arrived
from gpuws.host.channel import Channel
from gpuws.host.flow import Raw
from gpuws.host.openssh.mux import Control, NoMaster
from gpuws.host.refusal import ChannelRefused
from gpuws.host.transport import Transport
from gpuws.host.wire import Wire
from gpuws.plan.model import Pairs

_SMALLEST = 2  # bytes of a packet: the length of a padding that there is not, and the kind
_LARGEST = 1 << 20


class Packets(Packetizer):
    """Packets without padding, encryption or sum: the master does that."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)  # type: ignore[arg-type]
        self._turn = threading.Lock()

    def write_all(self, out: object) -> None:
        """paramiko greets the host with it, which the master has done."""

    def send_message(self, data: Message | Raw) -> None:
        payload = data.asbytes()
        packet = struct.pack(">IB", len(payload) + 1, 0) + payload
        with self._turn:
            super().write_all(packet)

    def read_message(self) -> tuple[int, Message]:
        (length,) = struct.unpack(">I", self.read_all(4))
        if not _SMALLEST <= length <= _LARGEST:
            raise EOFError("the master sent no packet")
        packet = self.read_all(length)
        message = Message(packet[2:])
        message.seqno = 0
        return packet[1], message

    def start_handshake(self, timeout: float) -> None:
        """There is none."""


class MasterWire(Wire):
    """The line to a master. ``road``: the connection under it, where we made that."""

    def __init__(
        self, line: socket.socket, road: Wire | None, *, name: str, on_close: Callable[[], None]
    ) -> None:
        super().__init__(line, name=name, on_close=on_close)
        self._greeted = True
        self._road = road

    @property
    def peer(self) -> tuple[object, ...] | None:
        return self._road.peer if self._road else None

    def own_address(self) -> str | None:
        return self._road.own_address() if self._road else None

    def acknowledged(self) -> int | None:
        return self._road.acknowledged() if self._road else None


class MasterTransport(Transport):
    """Authenticated from the beginning. ``version``: the server's, "" where nobody told."""

    packet = 128 << 10  # bytes; at 256 KiB the master ends the connection: "Bad packet length"

    def __init__(self, wire: Wire, control: Control, version: str = "") -> None:
        super().__init__(wire)
        self._control = control
        self._controlling = threading.Lock()
        self._listening: set[int] = set()  # ports of the host that lead here until the end
        self.packetizer = Packets(wire)
        self.remote_version = version
        self.clear_to_send.set()
        self.daemon = True
        self.active = True
        self.start()

    def _open(self, kind: str, extra: bytes, timeout: float) -> Channel:
        asked = time.monotonic()
        channel = super()._open(kind, extra, timeout)
        self.timed(time.monotonic() - asked)
        return channel

    def ping(self, deadline: float) -> bool:
        """A session that is opened and closed again: a master passes on no other question, and
        forgets a channel only if it has been open."""
        asked = time.monotonic()
        try:
            self._open("session", b"", deadline).close()
        except ChannelRefused:  # an answer as well
            pass
        except (EOFError, TimeoutError):
            return False
        self.latest_round_trip = time.monotonic() - asked
        self.timed(self.latest_round_trip)
        return True

    def agreed(self) -> Pairs:
        """The master keeps that to itself."""
        return ()

    def listen_there(self, port: int, arrived: Arrived, timeout: float) -> bool:
        """The answer to a listening client does not reach us, so the master asks first."""
        if port not in self._listening:
            if not self._may_listen(port, timeout):
                return False
            self.arrivals.want(port, arrived)  # before the host listens: somebody may come at once
            self._send_user_message(_tcpip_forward(port))
            self._listening.add(port)
        self.arrivals.want(port, arrived)
        return True

    def listen_no_more(self, port: int) -> None:
        """A master does not pass that on either: the host listens on, and who comes is refused."""
        self.arrivals.want(port, None)

    def _may_listen(self, port: int, seconds: float) -> bool:
        with self._controlling:
            try:
                return self._control.may_listen(LOOPBACK, port, seconds)
            except NoMaster as error:
                raise EOFError(str(error)) from None

    # --- what the master has done already; called by paramiko's reader ---------------------------

    def _check_banner(self) -> None:
        """The master has read it."""

    def _send_kex_init(self) -> None:
        """The master exchanges keys."""

    def _expect_packet(self, *kinds: int) -> None:
        """Any packet may be the first one."""

    def _ensure_authed(self, kind: int, message: Message) -> None:
        """The master has logged in."""


def _tcpip_forward(port: int) -> Message:
    """Without the wish for an answer: the master would keep that for itself."""
    message = Message()
    message.add_byte(cMSG_GLOBAL_REQUEST)
    message.add_string("tcpip-forward")
    message.add_boolean(False)
    message.add_string(LOOPBACK)
    message.add_int(port)
    return message
