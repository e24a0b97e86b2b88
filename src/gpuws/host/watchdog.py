"""Is the host still there? A request with a deadline; silence ends the connection."""

from __future__ import annotations

import threading
import time

from gpuws.host.transport import Transport

_SLEPT = 10.0  # seconds of wall clock beyond the wait that mean the laptop was asleep
_AFTER_SLEEP = 5.0  # seconds the host has to answer then


class Watchdog:
    """Pings when nothing was heard for ``interval`` seconds; ``count`` misses are the end."""

    def __init__(self, transport: Transport, interval: float, count: int) -> None:
        self._transport = transport
        self._interval = interval
        self._count = count
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="gpuws-watchdog").start()

    def stop(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        misses = 0
        while True:
            before = time.time()
            if self._over.wait(self._interval) or not self._transport.is_active():
                return
            if time.time() - before > self._interval + _SLEPT:
                misses = 0 if self.answers(_AFTER_SLEEP) else self._count
            elif time.monotonic() - self._transport.wire.last_heard < self._interval:
                misses = 0
            else:
                misses = 0 if self.answers(self._interval) else misses + 1
            if misses >= self._count:
                self._transport.wire.close()
                return

    def answers(self, deadline: float) -> bool:
        """Whether the host answers within ``deadline`` seconds. Sent from a thread of its own:
        with full buffers even sending would wait."""
        answered = threading.Event()

        def ask() -> None:
            if self._transport.ping(deadline):
                answered.set()

        threading.Thread(target=ask, daemon=True).start()
        return answered.wait(deadline)
