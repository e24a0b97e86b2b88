"""The next connection's flow, opened before it is asked for: it has its round trip behind it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.connection import OpenFlow

_FRESH = 30.0  # seconds: a server may be about to close one that says nothing for longer
_HEARD = 1.0  # seconds: over a link that may be dead, a client must not be read before it is known


class _Spare(Sink):
    """Hears what becomes of a flow that nobody uses yet."""

    def __init__(self) -> None:
        self.flow: Flow | None = None
        self.begun = time.monotonic()
        self.good = True

    def opened(self) -> None:
        return None

    def roomy(self) -> None:
        return None

    def refused(self, error: GpuwsError) -> None:  # noqa: ARG002 - whoever asks next is told
        self.good = False

    def arrived(self, data: bytes, /) -> None:  # noqa: ARG002
        self.good = False  # a server that speaks first must not be heard by nobody

    def ended(self) -> None:
        self.good = False

    closed = broken = lost = ended


class Ahead:
    """An OpenFlow with one flow in reserve; only for servers that wait to be spoken to. Used by
    one thread at a time. ``last_heard`` is the Host's."""

    def __init__(self, open_flow: OpenFlow, last_heard: Callable[[], float]) -> None:
        self._open_flow = open_flow
        self._last_heard = last_heard
        self._spare: _Spare | None = None

    def __call__(self, sink: Sink) -> Flow:
        flow = self._reserved(sink) or self._open_flow(sink)
        self.prepare()
        return flow

    def prepare(self) -> None:
        if self._spare is not None:
            return
        spare = _Spare()
        with contextlib.suppress(GpuwsError, OSError, EOFError):
            spare.flow = self._open_flow(spare)
            self._spare = spare

    def close(self) -> None:
        """Nobody will ask any more."""
        spare, self._spare = self._spare, None
        if spare is not None and spare.flow is not None:
            with contextlib.suppress(OSError, EOFError):
                spare.flow.close()

    def _reserved(self, sink: Sink) -> Flow | None:
        spare, now = self._spare, time.monotonic()
        fresh = spare is not None and spare.good and now - spare.begun < _FRESH
        if spare is None or not fresh:
            self.close()
            return None
        sure = now - self._last_heard() < _HEARD
        if not sure or spare.flow is None or not spare.flow.aim(sink):
            return None
        self._spare = None
        return spare.flow
