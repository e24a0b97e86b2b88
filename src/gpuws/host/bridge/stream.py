"""The Stream port over a flow: for one who asks and waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from gpuws.errors import GpuwsError
from gpuws.host.session import lost, too_slow
from gpuws.plan.model import Target
from gpuws.plan.ports import Flow, Sink


class FlowStream(Sink):
    """``wait_open`` first. One thread reads, one writes; ``close`` is anybody's."""

    def __init__(self, target: Target, open_flow: Callable[[Sink], Flow]) -> None:
        self._target = target
        self._changed = threading.Condition()
        self._unread = bytearray()
        self._timeout: float | None = None
        self._opened = self._ended = self._broken = self._closed = False
        self._refusal: GpuwsError | None = None
        self._flow = open_flow(self)

    def wait_open(self, seconds: float) -> None:
        """Raises tunnel-failed, forwarding-refused, remote-timeout, connection-lost."""
        with self._changed:
            answered = self._changed.wait_for(self._answered, seconds)
        if not answered:
            self._flow.close()
            raise too_slow(f"opening {self._target}", seconds)
        if self._refusal is not None:
            raise self._refusal
        if not self._opened:
            raise lost(f"opening {self._target}")

    def _answered(self) -> bool:
        return self._opened or self._broken or self._refusal is not None

    # --- Stream ----------------------------------------------------------------------------------

    def recv(self, size: int, /) -> bytes:
        self._wait(lambda: bool(self._unread) or self._ended or self._broken or self._closed)
        with self._changed:
            data = bytes(self._unread[:size])
            del self._unread[:size]
        if not data and self._broken and not self._closed:
            raise ConnectionResetError("the connection to the host broke")
        if data and self._flow.drained(len(data)):
            self._flow.widen()
        return data

    def sendall(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            self._wait(lambda: self._flow.room() > 0 or self._broken or self._closed)
            if self._broken or self._closed:
                raise BrokenPipeError("nothing more can be sent")
            step = self._flow.room()
            self._flow.send(bytes(view[:step]))
            view = view[step:]

    def shutdown_write(self) -> None:
        self._flow.end()

    def settimeout(self, seconds: float | None, /) -> None:
        self._timeout = seconds

    def close(self) -> None:
        self._change(closed=True)
        self._flow.close()

    def _wait(self, ready: Callable[[], bool]) -> None:
        ends = None if self._timeout is None else time.monotonic() + self._timeout
        with self._changed:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            if not self._changed.wait_for(ready, left):
                raise TimeoutError(f"no answer in {self._timeout} s")

    # --- Sink ------------------------------------------------------------------------------------

    def _change(self, *, closed: bool = False, broken: bool = False, ended: bool = False) -> None:
        with self._changed:
            self._closed = self._closed or closed
            self._broken = self._broken or broken
            self._ended = self._ended or ended
            self._changed.notify_all()

    def opened(self) -> None:
        with self._changed:
            self._opened = True
            self._changed.notify_all()

    def refused(self, error: GpuwsError) -> None:
        with self._changed:
            self._refusal = error
            self._changed.notify_all()

    def arrived(self, data: bytes, /) -> None:
        with self._changed:
            self._unread += data
            self._changed.notify_all()

    def ended(self) -> None:
        self._change(ended=True)

    def roomy(self) -> None:
        self._change()

    def closed(self) -> None:
        self._change(ended=True)

    def broken(self) -> None:
        self._change(broken=True)

    def lost(self) -> None:
        self._change(broken=True)
