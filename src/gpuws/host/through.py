"""A Host that hands its calls on to another: what stands around a host says only what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gpuws.plan.model import Pairs, Target
from gpuws.plan.ports import Arrival, Flow, Host, Process, Reply, Script, Sink, Stream


class Through:
    """The Host port, over the one that it is given."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.profile = host.profile
        self.bridged = host.bridged

    @property
    def calls(self) -> int:
        return self._host.calls

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        return self._host.run(script, *args, timeout=timeout, cap=cap, in_sight=in_sight)

    def prepare(self) -> None:
        self._host.prepare()

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        return self._host.feed(script, *args, data=data, timeout=timeout)

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        self._host.upload(data, path, mode=mode, timeout=timeout)

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream:
        return self._host.open_stream(target, timeout)

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        return self._host.open_flow(target, sink)

    def lead_here(self, port: int, arrived: Callable[[Arrival], None]) -> None:
        self._host.lead_here(port, arrived)

    def lead_nowhere(self, port: int) -> None:
        self._host.lead_nowhere(port)

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        return self._host.open_process(script, *args, pty=pty, term=term)

    def alive(self) -> bool:
        return self._host.alive()

    def answers(self, seconds: float) -> bool:
        return self._host.answers(seconds)

    def latency(self) -> float:
        return self._host.latency()

    def distance(self) -> float:
        return self._host.distance()

    def peer(self) -> tuple[object, ...] | None:
        return self._host.peer()

    def agreed(self) -> Pairs:
        return self._host.agreed()

    def last_heard(self) -> float:
        return self._host.last_heard()

    def close(self) -> None:
        self._host.close()
