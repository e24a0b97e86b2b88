"""How far a push is: bytes and archives over all lanes, told at most five times a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from gpuws.plan.ports import Progress
from gpuws.plan.pushing import line

_PAUSE = 0.2  # seconds between two lines
_REMEMBERED = 25  # lines whose time and bytes give the rate: five seconds


class Tally:
    """Safe to use from several threads. ``total`` is bytes; 0: unknown."""

    def __init__(
        self,
        progress: Progress,
        count: int,
        total: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._count, self._total = count, total
        self._clock = clock
        self._lock = threading.Lock()
        self._done = 0
        self._marks = deque([(clock(), 0)], _REMEMBERED)
        self.sent = 0  # bytes; what had to be sent twice counts twice

    def add(self, size: int) -> None:
        with self._lock:
            self.sent += size
            now = self._clock()
            if now - self._marks[-1][0] >= _PAUSE:
                self._tell(now)

    def finish(self) -> None:
        """One more archive is sent."""
        with self._lock:
            self._done += 1

    def warn_unchecked(self, count: int) -> None:
        self._progress.warn(
            f"the host has no sha256sum, shasum, openssl or python3: {count} archives were "
            "compared by their size only"
        )

    def _tell(self, now: float) -> None:
        begun, before = self._marks[0]
        self._marks.append((now, self.sent))
        rate = (self.sent - before) / (now - begun)
        self._progress.line(line(self._done, self._count, self.sent, self._total, rate))
