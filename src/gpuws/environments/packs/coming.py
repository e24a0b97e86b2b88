"""What a process on the host prints, read as it is wanted: nobody waits in memory for anybody."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import sanitise
from gpuws.plan.ports import Process

_WAITING = 16  # blocks of up to 64 KiB that wait for their reader
_TALK = 64 << 10  # bytes of stderr that are kept
_PATIENCE = 1.0  # seconds without news after which the person may be heard


class Coming:
    """``read`` until b"" and then ``status``. ``idle`` is called about every second that nothing
    comes; what it raises ends the wait."""

    def __init__(self, process: Process, idle: Callable[[], None]) -> None:
        self._process = process
        self._idle = idle
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._left = threading.Event()
        self._error: GpuwsError | None = None
        self._talk = bytearray()
        self._kept = b""
        self._ended = False
        self.status = -1
        threading.Thread(target=self._pump, daemon=True).start()

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes. Raises what the connection raises, connection-lost."""
        while not self._kept and not self._ended:
            self._kept = self._next()
        data, self._kept = self._kept[:size], self._kept[size:]
        return data

    def _next(self) -> bytes:
        while True:
            try:
                block = self._blocks.get(timeout=_PATIENCE)
            except queue.Empty:
                self._idle()
                continue
            if block is not None:
                return block
            self._ended = True
            if self._error:
                raise self._error
            return b""

    @property
    def talk(self) -> str:
        """The end of what it said on stderr."""
        return sanitise(bytes(self._talk)).strip()

    def close(self) -> None:
        """Also where it has not ended."""
        self._left.set()
        self._process.close()

    # --- the thread that reads ---------------------------------------------------------------

    def _pump(self) -> None:
        try:
            self.status = self._process.pump(self._hand_over, self._hear)
        except GpuwsError as error:
            self._error = error
        except _Left:
            pass
        except OSError as error:
            self._error = GpuwsError("connection-lost", str(error), retryable=True)
        with contextlib.suppress(_Left):
            self._put(None)

    def _hand_over(self, data: bytes) -> None:
        self._put(data)

    def _put(self, block: bytes | None) -> None:
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._blocks.put(block, timeout=_PATIENCE)
                return
        raise _Left

    def _hear(self, data: bytes) -> None:
        self._talk += data
        del self._talk[:-_TALK]


class _Left(Exception):
    """Nobody reads any more."""
