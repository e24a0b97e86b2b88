"""The Flow port over sockets of this machine. One thread carries all flows of a host and calls
their sinks, as the reader of an SSH connection does."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from gpuws.host.refusal import CONNECT_FAILED, refused
from gpuws.plan.model import Target
from gpuws.plan.ports import Sink

WINDOW = 1 << 20  # bytes on their way, each way
_PIECE = 64 << 10  # bytes a read

Connect = Callable[[], socket.socket]
"""Gives the socket that leads to the target. May block; raises OSError, EOFError."""


class Sockets:
    """Opens flows until ``close``, which breaks those that are open.

    ``carried``: whether the program that carries them further lives, where one does. Then its end
    is not the host's; and of a target that nobody serves it tells only by hanging up, mute.
    """

    def __init__(self, carried: Callable[[], bool] | None = None) -> None:
        self.carried = carried
        self._loop = asyncio.new_event_loop()
        self._flows: set[SocketFlow] = set()
        self._connecting = ThreadPoolExecutor(1, "gpuws-connecting")
        self._thread = threading.Thread(target=self._run, name="gpuws-sockets", daemon=True)
        self._thread.start()

    def open(self, connect: Connect, target: Target, sink: Sink) -> SocketFlow:
        flow = SocketFlow(self, target, sink)
        self.call(lambda: self._begin(flow, connect))
        return flow

    def call(self, work: Callable[[], None]) -> None:
        """In their thread. Raises EOFError once it is closed."""
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            raise EOFError("the connection is gone") from None

    def close(self) -> None:
        with contextlib.suppress(EOFError):
            self.call(self._end)
        self._thread.join(5)
        self._connecting.shutdown(wait=False, cancel_futures=True)

    def forget(self, flow: SocketFlow) -> None:
        self._flows.discard(flow)

    def _run(self) -> None:
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))  # their sockets are closed meanwhile
        self._loop.close()

    def _begin(self, flow: SocketFlow, connect: Connect) -> None:
        self._flows.add(flow)
        flow.opening = self._loop.create_task(self._connect(flow, connect))

    async def _connect(self, flow: SocketFlow, connect: Connect) -> None:
        try:
            sock = await self._loop.run_in_executor(self._connecting, connect)
            sock.setblocking(False)
            await self._loop.create_connection(lambda: flow, sock=sock)
        except OSError as error:
            flow.refuse(str(error))
        except EOFError:
            flow.lose()

    def _end(self) -> None:
        for flow in tuple(self._flows):
            flow.lose()
        self._loop.stop()


class SocketFlow(asyncio.BufferedProtocol):
    """One connection to a target. Never more than WINDOW bytes are on their way either way."""

    def __init__(self, sockets: Sockets, target: Target, sink: Sink) -> None:
        self.opening: asyncio.Task[None] | None = None
        self._target = target
        self._mute = sockets.carried is not None  # it has said nothing yet
        self._sockets = sockets
        self._sink = sink
        self._wire: asyncio.Transport | None = None
        self._lock = threading.Lock()
        self._room = WINDOW
        self._unsent = 0  # bytes that the far end has not taken
        self._full = False  # some are kept
        self._allowed = WINDOW  # bytes that the far end may still send
        self._drained = 0
        self._space = bytearray()
        self._ended = self._far_ended = False
        self._over = False

    # --- Flow: from any thread -------------------------------------------------------------------

    def room(self) -> int:
        return self._room

    def send(self, data: bytes, /) -> None:
        with self._lock:
            self._room -= len(data)
        self._sockets.call(lambda: self._write(data))

    def end(self) -> None:
        self._sockets.call(self._end)

    def drained(self, count: int, /) -> bool:
        with self._lock:
            self._drained += count
            return self._drained * 4 >= WINDOW

    def widen(self) -> None:
        with self._lock:
            count, self._drained = self._drained, 0
        self._sockets.call(lambda: self._allow(count))

    def aim(self, sink: Sink, /) -> bool:
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._sockets.call(lambda: answer.put(self._aim(sink)))
        return answer.get()

    def close(self) -> None:
        self._sockets.call(self._close)

    # --- their thread --------------------------------------------------------------------

    def _aim(self, sink: Sink) -> bool:
        if self._over or self._far_ended:
            return False
        self._sink = sink
        if self._wire is not None:
            sink.opened()
        return True

    def refuse(self, why: str) -> None:
        if not self._finish():
            self._sink.refused(refused(self._target, CONNECT_FAILED, why))

    def lose(self) -> None:
        """The connection to the host goes away."""
        if not self._finish():
            self._sink.lost()
        if self._wire is not None:
            self._wire.abort()

    def _finish(self) -> bool:
        """Nothing more is said to the sink; whether that was so before."""
        before, self._over = self._over, True
        self._sockets.forget(self)
        return before

    def _write(self, data: bytes) -> None:
        if self._wire is not None:
            self._unsent += len(data)
            self._wire.write(data)
            if not self._full:
                self.resume_writing()

    def _end(self) -> None:
        self._ended = True
        if self._wire is not None:
            self._wire.write_eof()
            self._end_if_both_did()

    def _allow(self, count: int) -> None:
        self._allowed += count
        if self._wire is not None:
            self._wire.resume_reading()

    def _close(self) -> None:
        """What was sent before still arrives, as after a channel's close."""
        self._over = True
        if self._wire is not None:
            self._wire.close()

    def _end_if_both_did(self) -> None:
        if self._ended and self._far_ended and not self._over:
            self._sink.closed()
            self._close()

    # --- the socket's events ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        self._wire.set_write_buffer_limits(high=0)  # so that it says when anything is kept
        if self._over:
            self._wire.close()
        else:
            self._sink.opened()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002
        self._space = bytearray(min(_PIECE, self._allowed))
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        self._allowed -= nbytes
        self._mute = False
        if self._allowed == 0 and self._wire is not None:
            self._wire.pause_reading()
        if not self._over:
            self._sink.arrived(bytes(self._space[:nbytes]))

    def eof_received(self) -> bool:
        if self._was_dropped():
            return False
        self._far_ended = True
        if not self._over:
            self._sink.ended()
        self._end_if_both_did()
        return True  # it may still listen

    def _was_dropped(self) -> bool:
        """By a carrier that died, or that found nobody at the target. Told to the sink then."""
        carried = self._sockets.carried
        if self._over or carried is None:
            return False
        if not carried():
            self.lose()
        elif self._mute:
            self.refuse("it hung up without a word")
        return self._over

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        with self._lock:
            was = self._room
            self._room += self._unsent
        self._unsent = 0
        if was == 0 and not self._over:
            self._sink.roomy()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._was_dropped() or self._finish():
            return
        if self._far_ended:
            self._sink.closed()
        else:
            self._sink.broken()


class SocketStream:
    """The Stream port."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int, /) -> bytes:
        return self._sock.recv(size)

    def sendall(self, data: bytes, /) -> None:
        self._sock.sendall(data)

    def shutdown_write(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def settimeout(self, seconds: float | None, /) -> None:
        self._sock.settimeout(seconds)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes who waits in recv
        self._sock.close()
