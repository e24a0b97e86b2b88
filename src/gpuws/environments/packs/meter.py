"""How far it is and how fast it goes, for the person who waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from gpuws.environments.packs.archive import Packed
from gpuws.environments.packs.members import Content, Stream
from gpuws.plan.ports import Progress

_EVERY = 0.5  # seconds between two words


class Meter:
    """``idle`` says it again, so that a person who left is noticed while nothing moves."""

    def __init__(self, total: int, report: Progress, clock: Callable[[], float]) -> None:
        """``total`` in bytes, before compression."""
        self._total = max(total, 1)
        self._report = report
        self._clock = clock
        self._begun = self._said = clock()
        self._bytes = 0

    def counted(self, packed: Packed) -> Packed:
        return replace(packed, members=self._members(packed.members))

    def _members(self, stream: Stream) -> Stream:
        for member, content in stream:
            yield member, self._passing(content)

    def _passing(self, content: Content) -> Iterator[bytes]:
        for block in content:
            self._bytes += len(block)
            if self._clock() - self._said >= _EVERY:
                self.idle()
            yield block

    def idle(self) -> None:
        """Raises what the person's leaving raises."""
        self._said = self._clock()
        took = max(self._said - self._begun, 1e-6)
        done, total = self._bytes / 1e6, self._total / 1e6
        part = min(100, 100 * self._bytes // self._total)
        self._report.line(f"{done:.0f} of {total:.0f} MB ({part} %), {done / took:.1f} MB/s")
