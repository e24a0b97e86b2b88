"""The laptop's end of the bridge: many flows over one process on the host."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable

from gpuws.errors import GpuwsError
from gpuws.host.bridge.far_end import (
    CLOSE,
    COUNT,
    DATA,
    END,
    HEAD,
    OPEN,
    OPENED,
    PIECE,
    REFUSED,
    ROOM,
    WINDOW,
)
from gpuws.host.refusal import CONNECT_FAILED, refused
from gpuws.host.sanitise import one_line
from gpuws.plan.model import Target
from gpuws.plan.ports import Process, Sink

_WORDS = 2000  # bytes of what it says on stderr that are kept


class Link:
    """Owns the process. Its reader calls the sinks; anybody may send."""

    def __init__(self, process: Process, alive: Callable[[], bool]) -> None:
        """``alive``: whether the connection to the host is."""
        self._process = process
        self._alive = alive
        self._numbers = itertools.count(1)
        self._flows: dict[int, BridgeFlow] = {}
        self._turn = threading.Lock()  # of those who send: a frame goes out in one piece
        self._held = bytearray()
        self._words = b""
        self.over = False
        threading.Thread(target=self._read, name="bridge", daemon=True).start()

    def idle(self) -> bool:
        return not self._flows

    def open(self, target: Target, sink: Sink) -> BridgeFlow:
        """Raises EOFError once it is over."""
        flow = BridgeFlow(self, next(self._numbers), target, sink)
        self._flows[flow.number] = flow
        try:
            self.say(OPEN, flow.number, _place(target).encode())
        except (OSError, EOFError):
            if self.forget(flow):  # else the sink has heard of it already
                raise EOFError("the bridge is gone") from None
        return flow

    def say(self, kind: int, number: int, text: bytes = b"") -> None:
        if self.over:
            raise EOFError("the bridge is gone")
        with self._turn:
            self._process.send(HEAD.pack(kind, number, len(text)) + text)

    def forget(self, flow: BridgeFlow) -> bool:
        """Whether it was known."""
        return self._flows.pop(flow.number, None) is not None

    def close(self) -> None:
        self.over = True
        self._process.close()

    # --- the reader's thread ---------------------------------------------------------------------

    def _read(self) -> None:
        why = ""
        try:
            self._process.pump(self._arrived, self._complained)
        except GpuwsError as error:
            why = error.message
        except (OSError, EOFError, ValueError) as error:
            why = str(error)
        self.close()
        said = one_line(self._words, 200)
        for flow in tuple(self._flows.values()):
            flow.gone(_ended(said or why), lost=not self._alive())

    def _complained(self, data: bytes) -> None:
        self._words += data[: _WORDS - len(self._words)]

    def _arrived(self, data: bytes) -> None:
        self._held += data
        at = 0
        while len(self._held) - at >= HEAD.size:
            kind, number, size = HEAD.unpack_from(self._held, at)
            if size > PIECE:
                raise ValueError("what it says is none of our frames")
            if len(self._held) - at - HEAD.size < size:
                break
            at += HEAD.size + size
            flow = self._flows.get(number)
            if flow is not None:
                flow.hear(kind, bytes(self._held[at - size : at]))
        del self._held[:at]


class BridgeFlow:
    """The Flow port over one stream of a link."""

    def __init__(self, link: Link, number: int, target: Target, sink: Sink) -> None:
        self.number = number
        self._link = link
        self._target = target
        self._sink = sink
        self._lock = threading.Lock()
        self._room = WINDOW  # bytes that the host takes now
        self._allowed = WINDOW  # bytes that the host may still send
        self._drained = 0
        self._opened = self._host_ended = False
        self._ended = self._over = False

    # --- the pump's side -------------------------------------------------------------------------

    def room(self) -> int:
        return min(self._room, PIECE)

    def send(self, data: bytes, /) -> None:
        with self._lock:
            self._room -= len(data)
        self._link.say(DATA, self.number, data)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._tell(END)

    def drained(self, count: int, /) -> bool:
        with self._lock:
            self._drained += count
            return self._drained * 4 >= WINDOW

    def widen(self) -> None:
        with self._lock:
            count, self._drained = self._drained, 0
            self._allowed += count
        if count and not self._host_ended:
            self._tell(ROOM, COUNT.pack(count))

    def aim(self, sink: Sink, /) -> bool:
        with self._lock:
            if self._over or self._host_ended:
                return False
            self._sink = sink
            opened = self._opened
        if opened:
            sink.opened()
        return True

    def close(self) -> None:
        with self._lock:
            before, self._over = self._over, True
        if not before:
            self._link.forget(self)
            with contextlib.suppress(OSError, EOFError):
                self._link.say(CLOSE, self.number)

    def _tell(self, kind: int, text: bytes = b"") -> None:
        if not self._over:
            self._link.say(kind, self.number, text)

    # --- the reader's side -----------------------------------------------------------------------

    def hear(self, kind: int, text: bytes) -> None:
        if kind == DATA:
            self._take(text)
        elif kind == ROOM:
            self._widened(COUNT.unpack(text)[0])
        elif kind == OPENED:
            with self._lock:
                self._opened = True
            self._sink.opened()
        elif kind == END:
            self._host_ended = True
            self._sink.ended()
        elif self._finish():
            self._last_word(kind, text)

    def _take(self, data: bytes) -> None:
        with self._lock:
            self._allowed -= len(data)
        if self._allowed >= 0:
            self._sink.arrived(data)
        elif self._finish():  # it sends more than it was let
            self._sink.broken()

    def _widened(self, count: int) -> None:
        with self._lock:
            was = self._room
            self._room += count
        if was <= 0:
            self._sink.roomy()

    def _last_word(self, kind: int, text: bytes) -> None:
        if kind == REFUSED:
            self._sink.refused(refused(self._target, CONNECT_FAILED, text.decode(errors="replace")))
        elif kind == CLOSE and self._host_ended:
            self._sink.closed()
        else:
            self._sink.broken()

    def gone(self, why: GpuwsError, *, lost: bool) -> None:
        """The bridge has ended, with the connection or without it."""
        if not self._finish():
            return
        if lost:
            self._sink.lost()
        elif self._opened:
            self._sink.broken()
        else:
            self._sink.refused(why)

    def _finish(self) -> bool:
        """Whether it was not over yet."""
        with self._lock:
            before, self._over = self._over, True
        self._link.forget(self)
        return not before


def _place(target: Target) -> str:
    return f"unix:{target.socket}" if target.socket else f"tcp:{target.host}:{target.port}"


def _ended(why: str) -> GpuwsError:
    return GpuwsError(
        "forwarding-refused",
        f"the bridge on the host ended: {why or 'it said nothing'}",
        hint="a site may end such programs; `gpuws attach` tries again",
        retryable=True,
    )
