"""One forwarded connection: a local socket and a flow to the host."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.pump import READ, WRITE, Pump

_CHUNK = 32 * 1024  # bytes a read: what an SSH server takes in one packet
_ON_CLOSE_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # SO_LINGER: 0 s

OpenFlow = Callable[[Sink], Flow]
"""Asks the host for a flow. Raises GpuwsError, OSError or EOFError."""

Over = Callable[["Connection"], None]

_LONGEST_QUESTION = 16 * 1024  # bytes; a browser's are smaller
_HARMLESS = (b"GET ", b"HEAD ")  # methods that RFC 9110 lets a client repeat by itself


def may_be_said_again(said: bytes) -> bool:
    """Nothing yet, or one HTTP question that asks for no change."""
    end = said.find(b"\r\n\r\n")
    whole = end in (-1, len(said) - 4) and len(said) <= _LONGEST_QUESTION
    return whole and any(said.startswith(word) or word.startswith(said) for word in _HARMLESS)


class Connection:
    """Full duplex, with half-close both ways. What the client does not read is kept, and no more
    of it than the flow's window.

    What was not answered at all before the connection to the host was lost is said again on the
    next one, where it may be: a browser does the same. A flow that *ends* becomes the end of the
    local connection; one that *breaks* becomes a reset, so that a download cut in the middle is
    not taken for a complete one. ``over`` is called once, in the pump's thread. Methods up to
    ``end_now`` belong to that thread; a Sink's to the reader.
    """

    def __init__(self, local: socket.socket, pump: Pump, over: Over) -> None:
        self._local = local
        self._pump = pump
        self._over = over
        self._flow: Flow | None = None
        self._turn = threading.Lock()  # of the bytes on their way to the client
        self._unread: deque[memoryview] = deque()
        self._watched = 0  # what the pump waits for
        self._owed = 0  # bytes that came before the flow was known here
        self._opened = False
        self._local_ended = False  # the client has said everything
        self._host_ended = False
        self._host_closed = False
        self._shut = False  # the client was told of the host's end
        self._finished = False
        self._said: bytes | None = b""  # all that the client said; None: it cannot be said again
        self.refusal: GpuwsError | None = None  # why the host opened no flow
        self.was_lost = False  # the connection went away before the flow was open: try another one
        self.patience_ends = 0.0  # time.monotonic(), once it had to wait
        self.bytes_in = 0  # from the host
        self.bytes_out = 0  # to the host
        local.setblocking(False)

    # --- the pump's thread -----------------------------------------------------------------------

    def begin(self, open_flow: OpenFlow) -> None:
        self.was_lost = False
        flow = open_flow(self)
        with self._turn:  # a host that speaks first may have been quicker than this line
            self._flow = flow
            due = flow.drained(self._owed)
        self._widen(due)

    def refuse(self, error: GpuwsError) -> None:
        """The client sees its connection closed at once, as with ``ssh -L``."""
        self.refusal = error
        self.finish()

    def finish(self, *, reset: bool = False) -> None:
        """End both sides; nothing is left of it."""
        if self._finished:
            return
        self.was_lost = False
        self._leave()
        if reset:
            with contextlib.suppress(OSError):
                self._local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ON_CLOSE_RESET)
        with self._turn:
            self._finished = True
            self._unread.clear()
            self._local.close()
        self._over(self)

    def _leave(self) -> None:
        self._watched = self._pump.watch(self._local, self._watched, 0, self._ready)
        flow, self._flow = self._flow, None
        with contextlib.suppress(OSError, EOFError):
            if flow is not None:
                flow.close()

    def _start(self) -> None:
        try:
            if self._flow is not None:
                self._repeat(self._flow)
        except (OSError, EOFError):
            self._lose()
            return
        self._ready(READ)  # most clients have spoken by now

    def _ready(self, mask: int) -> None:
        try:
            self._carry(mask)
        except Exception:
            self.finish(reset=True)  # the client shall not wait for ever; the pump logs the fault
            raise

    def _carry(self, mask: int) -> None:
        if mask & WRITE:
            self._flush()
        if mask & READ and self._flow is not None:
            self._read(self._flow)
        self._watch()

    def _read(self, flow: Flow) -> None:
        room = min(flow.room(), _CHUNK)
        if room <= 0:
            return
        try:
            data = self._local.recv(room)
            if data:
                self._remember(data)
                flow.send(data)
                self.bytes_out += len(data)
            else:
                self._local_ended = True
                flow.end()
                self._settle()
        except BlockingIOError:
            return
        except EOFError:
            self._lose()
        except OSError:  # the client is gone
            self.finish(reset=True)

    def _remember(self, data: bytes) -> None:
        said = self._said
        if said is not None:
            self._said = said + data if may_be_said_again(said + data) else None

    def _repeat(self, flow: Flow) -> None:
        """On a flow that has just been opened: its window takes more than a question has."""
        if self._said:
            flow.send(self._said)
        if self._local_ended:
            flow.end()

    def _flush(self) -> None:
        with self._turn:
            due = self._give()
        self._widen(due)
        self._settle()

    def _widen(self, due: bool) -> None:
        if not due or self._flow is None:
            return
        try:
            self._flow.widen()
        except (OSError, EOFError):
            self.finish(reset=True)

    def _settle(self) -> None:
        """Pass on an end, once everything before it has been taken; the last one is the end."""
        if self._finished or self._unread:
            return
        if self._host_ended and not self._shut:
            self._shut = True
            with contextlib.suppress(OSError):
                self._local.shutdown(socket.SHUT_WR)
        if self._host_closed or (self._shut and self._local_ended):
            self.finish()

    def _watch(self) -> None:
        if self._finished or not self._opened or self._flow is None:
            return
        reading = not self._local_ended and self._flow.room() > 0
        wanted = (READ if reading else 0) | (WRITE if self._unread else 0)
        self._watched = self._pump.watch(self._local, self._watched, wanted, self._ready)

    def _lose(self) -> None:
        """The connection is gone. Another one can serve the client if nothing was answered yet, and
        if what it said may be said again."""
        if self._finished or self._host_ended or (self._opened and self._said is None):
            self.finish(reset=True)
            return
        self._watched = self._pump.watch(self._local, self._watched, 0, self._ready)
        self._flow, self._opened = None, False
        self.was_lost = True
        self._over(self)

    # --- from any thread -------------------------------------------------------------------------

    def end_now(self) -> None:
        """The client sees the end at once, whatever the pump waits for; it does the rest."""
        with self._turn:
            if not self._finished:
                with contextlib.suppress(OSError):
                    self._local.shutdown(socket.SHUT_RDWR)

    # --- the reader's thread: Sink ---------------------------------------------------------------

    def opened(self) -> None:
        self._opened = True
        self._pump.call(self._start)

    def refused(self, error: GpuwsError) -> None:
        self._pump.call(lambda: self.refuse(error))

    def arrived(self, data: bytes, /) -> None:
        """Straight into the client's socket; what does not fit waits for the pump."""
        self._said = None  # it is being answered
        with self._turn:
            if self._finished:
                return
            waiting = bool(self._unread)
            self._unread.append(memoryview(data))
            due = False if waiting else self._give()
            left = not waiting and bool(self._unread)
        if due:
            self._pump.call(lambda: self._widen(due))
        if left:
            self._pump.call(self._watch)

    def _give(self) -> bool:
        """Write what the client's socket takes; whether the flow's window is due to be widened."""
        due = False
        try:
            while self._unread:
                piece = self._unread[0]
                taken = self._local.send(piece)
                self.bytes_in += taken
                flow = self._flow  # the pump may take it away meanwhile
                if flow is None:
                    self._owed += taken
                else:
                    due = flow.drained(taken) or due
                if taken == len(piece):
                    self._unread.popleft()
                else:
                    self._unread[0] = piece[taken:]
        except BlockingIOError:
            pass
        except OSError:  # the client is gone
            self._unread.clear()
            self._pump.call(lambda: self.finish(reset=True))
        return due

    def ended(self) -> None:
        self._host_ended = True
        self._pump.call(self._settle)

    def roomy(self) -> None:
        self._pump.call(self._watch)

    def closed(self) -> None:
        self._host_closed = True
        self._pump.call(self._settle)

    def broken(self) -> None:
        self._pump.call(lambda: self.finish(reset=True))

    def lost(self) -> None:
        self._pump.call(self._lose)
