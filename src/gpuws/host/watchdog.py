"""Is the host still there? A request with a deadline; silence ends the connection."""

from __future__ import annotations

import threading
import time

from gpuws.host.carrier import Carrier
from gpuws.host.network import source_address

_TICK = 1.0  # seconds between two looks
_SLEPT = 3.0  # seconds that a look came too late: the laptop, or this process, was asleep
_PROGRESS = 4096  # bytes: all our questions of a silence together are fewer
_SUSPICION = 3.0  # seconds the host has to answer after a sleep or on a changed network


class Watchdog:
    """Asks after ``interval`` seconds of silence; ``interval * count`` seconds are the end.

    An upload over a slow link may silence the host for longer: its question waits behind what is
    still being sent. As long as that moves, the link is alive.
    """

    def __init__(self, transport: Carrier, interval: float, count: int) -> None:
        self._transport = transport
        self._wire = transport.wire
        self._interval = interval
        self._limit = interval * count
        self._tick = min(_TICK, interval / 4)
        self._asked = 0.0
        self._acknowledged: int | None = (
            None  # bytes, when that last grew by what is no question of ours
        )
        self._moved = 0.0  # when that was
        self._address = self._wire.own_address()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="gpuws-watchdog").start()

    def stop(self) -> None:
        self._over.set()

    def answers(self, deadline: float) -> bool:
        """Whether the host answers within ``deadline`` seconds."""
        answered = threading.Event()

        def ask() -> None:  # in a thread of its own: with full buffers even sending would wait
            if self._transport.ping(deadline):
                answered.set()

        threading.Thread(target=ask, daemon=True).start()
        return answered.wait(deadline)

    def _watch(self) -> None:
        while True:
            due = time.monotonic() + self._tick, time.time() + self._tick
            if self._over.wait(self._tick) or not self._transport.is_active():
                return
            # one of the two clocks stands still while a laptop sleeps, which one depends
            late = max(time.monotonic() - due[0], time.time() - due[1])
            if not (self._survives(late) and self._speaks()):
                self._wire.close()
                return

    def _survives(self, late: float) -> bool:
        """After a sleep, and on another network, the connection is asked at once."""
        if late < _SLEPT and not self._moved_house():
            return True
        return self.answers(_SUSPICION)

    def _moved_house(self) -> bool:
        """The way to the host now begins at another address of the laptop. Told once a change."""
        peer = self._wire.peer
        if peer is None or self._address is None:
            return False
        now = source_address(peer)
        changed = now != self._address
        self._address = now or self._address
        return changed and now is not None

    def _speaks(self) -> bool:
        now = time.monotonic()
        quiet = now - self._wire.last_heard
        if quiet >= self._interval and now - self._asked >= self._interval:
            self._asked = now
            threading.Thread(target=self._transport.ping, args=(self._limit,), daemon=True).start()
        sending = self._still_sending(now)  # at each look: it compares with the one before
        return quiet < self._limit or sending

    def _still_sending(self, now: float) -> bool:
        count = self._wire.acknowledged()
        if self._acknowledged is None:
            self._acknowledged = count
        elif count is not None and count - self._acknowledged >= _PROGRESS:
            self._acknowledged, self._moved = count, now
        return now - self._moved < self._limit  # lost packets stop it for seconds
