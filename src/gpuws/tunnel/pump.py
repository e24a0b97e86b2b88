"""One thread that waits for every local socket of a forward."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Work = Callable[[], None]
Ready = Callable[[int], None]
"""Called with READ, WRITE or both."""

_TICK = 0.5  # seconds between two ticks while somebody wants them
_LOG = logging.getLogger("gpuws.tunnel")


class Pump:
    """Runs what it is given in its own thread, so that its sockets need no locks.

    ``tick`` is called twice a second while it says that it wants more.
    """

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = tick
        self._ticking = False
        self._work: deque[Work] = deque()
        self._called = False  # the thread was woken and has not looked yet
        self._over = False
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector.register(self._woken, READ, self._rest)
        self._thread = threading.Thread(target=self._run, name="tunnel-pump", daemon=True)
        self._thread.start()

    def call(self, work: Work) -> None:
        """Have ``work`` done soon. From any thread; never blocks."""
        self._work.append(work)
        if self._called:
            return
        self._called = True
        with contextlib.suppress(OSError):  # full: it will wake; closed: it is over
            self._wake.send(b"!")

    def watch(self, sock: socket.socket, before: int, wanted: int, ready: Ready) -> int:
        """Call ``ready`` when ``sock`` can do what is ``wanted``; 0: no more. Returns ``wanted``,
        to be told as ``before`` the next time. In the thread."""
        if not before and wanted:
            self._selector.register(sock, wanted, ready)
        elif before and not wanted:
            self._selector.unregister(sock)
        elif before != wanted:
            self._selector.modify(sock, wanted, ready)
        return wanted

    def want_ticks(self) -> None:
        """In the thread."""
        self._ticking = True

    def stop(self) -> None:
        """After what was given before. Does not wait."""
        self.call(self._end)

    def _end(self) -> None:
        self._over = True

    def _run(self) -> None:
        try:
            while not self._over:
                for key, mask in self._selector.select(_TICK if self._ticking else None):
                    self._do(key.data, mask)
                while self._work:
                    self._do(self._work.popleft())
                if self._ticking:
                    self._do(self._tick_once)
        finally:
            self._selector.close()
            self._wake.close()
            self._woken.close()

    def _tick_once(self) -> None:
        self._ticking = self._tick()

    def _rest(self, _: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._called = False  # after that, and before the work is looked at: none is overlooked

    def _do(self, work: Callable[..., None], *words: int) -> None:
        """One connection's fault must not end the others."""
        try:
            work(*words)
        except Exception:
            _LOG.exception("a fault of gpuws in the tunnel")
