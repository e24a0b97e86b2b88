"""A forwarded connection's channel: no thread, no buffer; what arrives goes to its sink."""

from __future__ import annotations

import struct
import threading
import time
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from paramiko.message import Message

from gpuws.host.refusal import refused
from gpuws.plan.model import Target
from gpuws.plan.ports import FAR, Sink

if TYPE_CHECKING:
    from gpuws.host.transport import Transport

FIRST = 512 << 10  # bytes that the host may send before the reader has taken any
FIRST_FAR = 2 << 20  # the same where a round trip takes longer than FAR: what ssh starts with
NEAR = 0.002  # seconds of round trip below which the first window is wide enough for any link
LEAST = 32 << 10  # bytes, when many flows share the budget
WIDEST = 16 << 20  # bytes: 160 MB/s at 100 ms
BUDGET = 24 << 20  # bytes that all flows of a connection may have under way together
_SHARE = 5  # a flow starts with at most this part of what the budget has left
_MOST_QUESTIONS = 10  # channel requests from the host: a forward has no use for any
_SLACK = 256 << 10  # bytes a host may send too many before it is cut off


class Budget:
    """What all flows of a connection may have under way: bounds memory when readers stall."""

    def __init__(self, total: int = BUDGET) -> None:
        self._left = total
        self._lock = threading.Lock()

    def take(self, wanted: int, least: int, share: int) -> int:
        """At most ``wanted`` and one ``share``-th of what is left, but ``least`` in any case."""
        with self._lock:
            given = max(least, min(wanted, self._left // share))
            self._left -= given
            return given

    def give(self, count: int) -> None:
        with self._lock:
            self._left += count


class Raw:
    """A packet that is already bytes, as paramiko's packetizer takes it."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def asbytes(self) -> bytes:
        return self._data


class ChannelFlow:
    """The Flow port over one channel. Methods with a leading underscore are the reader thread's."""

    def __init__(self, transport: Transport, number: int, target: Target, sink: Sink) -> None:
        self._transport = transport
        self._target = target
        self._sink = sink
        self._lock = threading.Lock()
        self._remote = -1  # the host's number for this channel
        self._room = 0  # bytes the host takes now
        self._packet = 0  # bytes the host takes in one packet
        self._drained = 0  # bytes taken by the reader, not yet given back to the host
        self._ended = self._closed = False  # what we said
        self._host_ended = self._host_closed = False  # what the host said
        self._questions = 0
        self.number = number
        first = FIRST_FAR if transport.round_trip > FAR else FIRST
        self.window = transport.budget.take(first, LEAST, _SHARE)
        self._allowed = self.window + _SLACK  # bytes the host may still send
        self._asked = self._turned = time.monotonic()

    # --- the pump's side -------------------------------------------------------------------------

    def room(self) -> int:
        return min(self._room, self._packet)

    def send(self, data: bytes, /) -> None:
        with self._lock:
            self._room -= len(data)
        self._say(struct.pack(">BII", MSG_CHANNEL_DATA, self._remote, len(data)) + data)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._say(struct.pack(">BI", MSG_CHANNEL_EOF, self._remote))

    def drained(self, count: int, /) -> bool:
        with self._lock:
            self._drained += count
            return self._drained * 4 >= self.window

    def widen(self) -> None:
        """And more than was drained where the window, not the reader, holds the host back."""
        now = time.monotonic()
        with self._lock:
            extra = self._growth(now - self._turned)
            count, self._drained = self._drained + extra, 0
            self._allowed += count
            self.window += extra
            self._turned = now
        if count and not self._host_ended:
            self._say(struct.pack(">BII", MSG_CHANNEL_WINDOW_ADJUST, self._remote, count))

    def _growth(self, took: float) -> int:
        """A window holds back when less than twice of what is read in one round trip fits in."""
        distance = self._transport.round_trip
        in_a_round_trip = self._drained * distance / max(took, 1e-6)
        wide = 2 * in_a_round_trip <= self.window or self.window >= WIDEST
        if wide or distance < NEAR:
            return 0
        return self._transport.budget.take(self.window, 0, 2)

    def aim(self, sink: Sink, /) -> bool:
        with self._lock:
            if self._host_ended or self._host_closed or self._closed:
                return False
            self._sink = sink
            opened = self._remote >= 0
        if opened:
            sink.opened()
        return True

    def close(self) -> None:
        """Say so if the host can still hear it, and forget the channel once it has said so too."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            opened = self._remote >= 0
        self._transport.budget.give(self.window)
        if opened and self._transport.is_active():
            self._say(struct.pack(">BI", MSG_CHANNEL_CLOSE, self._remote))
        if self._host_closed:
            self._transport.forget(self)

    def _say(self, packet: bytes) -> None:
        if self._host_closed and packet[0] != MSG_CHANNEL_CLOSE:
            return
        try:
            self._transport._send_user_message(Raw(packet))
        except paramiko.SSHException as error:
            raise EOFError(str(error)) from None

    # --- the reader thread's side ----------------------------------------------------------------

    def _set_remote_channel(self, remote: int, window: int, packet: int) -> None:
        self._transport.timed(time.monotonic() - self._asked)
        self.begin(remote, window, packet)

    def begin(self, remote: int, window: int, packet: int) -> None:
        """The host's side of it is known: it answered, or it was the one who asked."""
        with self._lock:
            self._remote, self._room, self._packet = remote, window, packet
            given_up, sink = self._closed, self._sink
        if given_up:
            self._transport.later(struct.pack(">BI", MSG_CHANNEL_CLOSE, remote))
            return
        sink.opened()

    def _refuse(self, code: int, text: str) -> None:
        self._host_closed = True
        self._transport.forget(self)
        self._sink.refused(refused(self._target, code, text))

    def _feed(self, m: Message) -> None:
        data = m.get_binary()
        with self._lock:
            self._allowed -= len(data)
        if self._allowed < 0:  # it sends more than it was let
            self._sink.broken()
        elif not self._closed:
            self._sink.arrived(data)

    def _feed_extended(self, m: Message) -> None:
        """A forward has no second stream; what a host sends there counts and is dropped."""
        m.get_int()
        with self._lock:
            self._allowed -= len(m.get_binary())

    def _window_adjust(self, m: Message) -> None:
        more = m.get_int()
        with self._lock:
            was = self._room
            self._room += more
        if was <= 0:
            self._sink.roomy()

    def _handle_eof(self, _: Message) -> None:
        self._host_ended = True
        self._sink.ended()

    def _handle_close(self, _: Message) -> None:
        self._host_closed = True
        if self._closed:
            self._transport.forget(self)
        elif self._host_ended:
            self._sink.closed()
        else:
            self._sink.broken()

    def _handle_request(self, m: Message) -> None:
        m.get_text()
        self._questions += 1
        if self._questions > _MOST_QUESTIONS:
            self._sink.broken()
        elif m.get_boolean():
            self._transport.later(struct.pack(">BI", MSG_CHANNEL_FAILURE, self._remote))

    def _unlink(self) -> None:
        """The connection is gone; said once, here or by ``open_flow``."""
        self._host_closed = True
        if self._transport.forget(self):
            self._sink.lost()
