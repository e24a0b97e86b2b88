"""The Host as one journey sees it: its own calls are counted, and told with -vv.

What goes through the forwards meanwhile, a browser's connections, is not this journey's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from gpuws.host.through import Through
from gpuws.plan.model import Target
from gpuws.plan.ports import Arrival, Host, Process, Progress, Reply, Script, Stream


class Counted(Through):
    """``report``: each call becomes a note with its time; arguments are never shown."""

    def __init__(self, host: Host, report: Progress | None) -> None:
        super().__init__(host)
        self._report = report
        self._calls = 0

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        self._calls += 1
        begun = time.monotonic()
        try:
            yield
        finally:
            took = (time.monotonic() - begun) * 1000
            if self._report is not None:
                self._report.note(f"{what}: {took:.0f} ms")

    @property
    def calls(self) -> int:
        return self._calls

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        with self._told(f"ran {script.name} on the host"):
            return super().run(script, *args, timeout=timeout, cap=cap, in_sight=in_sight)

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        with self._told(f"fed {script.name} on the host"):
            return super().feed(script, *args, data=data, timeout=timeout)

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        with self._told(f"sent {len(data)} bytes to {path}"):
            super().upload(data, path, mode=mode, timeout=timeout)

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream:
        with self._told(f"opened a channel to {target}"):
            return super().open_stream(target, timeout)

    def lead_here(self, port: int, arrived: Callable[[Arrival], None]) -> None:
        with self._told(f"asked the host to listen on its port {port}"):
            super().lead_here(port, arrived)

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        with self._told(f"started {script.name} on the host"):
            return super().open_process(script, *args, pty=pty, term=term)
