"""The next connection's flow, opened before it is asked for: it has its round trip behind it."""

from __future__ import annotations

import contextlib
import time

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.connection import OpenFlow

FAR = 0.02  # seconds of round trip from which on it is worth a connection that may not be used
_FRESH = 30.0  # seconds: a server may be about to close one that says nothing for longer


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

    closed = broken = ended


class Ahead:
    """An OpenFlow with one flow in reserve; only for servers that wait to be spoken to. Used by
    one thread at a time."""

    def __init__(self, open_flow: OpenFlow) -> None:
        self._open_flow = open_flow
        self._spare: _Spare | None = None

    def __call__(self, sink: Sink) -> Flow:
        flow = self._reserved(sink) or self._open_flow(sink)
        self.prepare()
        return flow

    def prepare(self) -> None:
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
        spare = self._spare
        fresh = spare is not None and spare.good and time.monotonic() - spare.begun < _FRESH
        if spare is not None and fresh and spare.flow is not None and spare.flow.aim(sink):
            self._spare = None
            return spare.flow
        self.close()
        return None
