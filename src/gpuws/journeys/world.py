"""Everything a journey may touch, handed in: tests and the keeper pass their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from gpuws.environments.fetching import Download
from gpuws.errors import GpuwsError
from gpuws.plan.forwards import JUPYTER
from gpuws.plan.model import Profile, ReverseForward, Secret, Target
from gpuws.plan.ports import Ask, Host, Process, Progress
from gpuws.plan.requests import Reach
from gpuws.records import Records
from gpuws.tunnel.ahead import Ahead


class Forwards(Protocol):
    """The local listeners, by workspace and name. They outlive the journey that opened them."""

    def open(
        self,
        name: str,
        target: Target,
        *,
        port: int | None,
        wanted: int,
        ahead: Ahead | None = None,
        forward: str = JUPYTER,
    ) -> int:
        """The local port; the one already open under these names is kept and aimed anew.

        ``port`` is the user's own choice (taken: local-port-taken), ``wanted`` a preference,
        ``ahead`` a way to the target that has a flow open already.
        """
        ...

    def port(self, name: str) -> int | None: ...
    def tunnel(self, name: str) -> dict[str, Any] | None:
        """Its health, as `status --json` tells it; None where none is open."""
        ...

    def more(self, name: str) -> list[dict[str, Any]]:
        """The workspace's other open forwards, as `status --json` lists them."""
        ...

    def lead_back(self, wanted: tuple[ReverseForward, ...]) -> list[GpuwsError]:
        """Ports of the host that lead to this laptop; why some of them do not."""
        ...

    def led_back(self) -> list[dict[str, Any]]:
        """Those that are wanted, as `status --json` lists them."""
        ...

    def noticed(self, name: str) -> list[dict[str, Any]]:
        """Open ports of the workspace's processes that nothing leads to, where it is open here."""
        ...

    def outage(self) -> str:
        """Why the host cannot be asked now, while its connection is being made again; "" else."""
        ...

    def close(self, name: str, forward: str | None = None) -> bool:
        """That one, or all of the workspace; whether one was open."""
        ...


class Terminal(Protocol):
    """The person's end of exec, shell and logs -f."""

    def size(self) -> tuple[int, int] | None:
        """(columns, rows), or None off a terminal."""
        ...

    def run_process(self, process: Process) -> int: ...
    def write(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class World:
    """``host`` gives the one connection to a host: opened on first use, kept by a keeper; ``node``
    the same, moved to the machine behind that name which calls itself so.
    ``apart`` makes one to another host, which ends with the block."""

    host: Callable[[Reach], AbstractContextManager[Host]]
    node: Callable[[Reach, str], Host]
    apart: Callable[[Reach], AbstractContextManager[Host]]
    resolve: Callable[[Reach], Profile]
    kept_until: Callable[[], float | None]  # when a kept login ends by itself; None: there is none
    forwards: Forwards
    terminal: Terminal
    records: Records
    report: Progress
    ask: Ask
    clock: Callable[[], float]  # monotonic seconds
    now: Callable[[], float]  # seconds since the epoch
    new_secret: Callable[[], Secret]  # 64 hex digits
    new_id: Callable[[int], str]  # this many hex digits
    fetch: Callable[[str], bytes]  # a small file, downloaded on the laptop
    download: Download  # one of any size
    sleep: Callable[[float], None]


class Stopwatch:
    """Seconds by part of a journey, as --json reports them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin = self._last = clock()
        self.parts: dict[str, float] = {}

    def lap(self, part: str) -> None:
        now = self._clock()
        self.parts[part] = round(now - self._last, 3)
        self._last = now

    def total(self) -> dict[str, float]:
        return {**self.parts, "total_s": round(self._clock() - self._begin, 3)}
