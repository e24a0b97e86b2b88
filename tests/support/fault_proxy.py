"""A TCP proxy on loopback that misbehaves on demand: delay, throttle, stall, cut, reset …

    with FaultProxy(("127.0.0.1", sshd.port), delay=0.05) as proxy:  # 100 ms round trip
        connect to proxy.port
        proxy.down.stalled = True  # of one direction; proxy.stalled is both
        proxy.dark = True          # a black hole: nothing is acknowledged, nobody gets in
        proxy.reset()              # every open connection gets an RST
        proxy.target = other       # whoever connects from now on meets another server
        proxy.heal()               # all of it undone

Faults may be set at any time from any thread and hold from the next chunk on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from tests.support.fault_link import Link, Streams, Way, abort, lose, may_lose

T = TypeVar("T")
Target = tuple[str, int] | str  # (host, port), or the path of a Unix socket


@dataclass(frozen=True)
class Dial:
    """Somebody connected to the proxy, at this time.monotonic()."""

    at: float
    outcome: str  # "carried", "refused" (by the proxy) or "unreachable" (its target)


class _Both(Generic[T]):
    """A fault of both directions. Reads as that of the way up."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, proxy: FaultProxy, owner: type) -> T:
        value: T = getattr(proxy.up, self._name)
        return value

    def __set__(self, proxy: FaultProxy, value: T) -> None:
        for way in (proxy.up, proxy.down):
            setattr(way, self._name, value)


class FaultProxy:
    """``up`` leads to the server, ``down`` to the client. A delay is one way: a round trip takes
    twice as long."""

    delay = _Both[float]()
    jitter = _Both[float]()
    rate = _Both[float]()
    cut_after = _Both[int]()
    corrupt = _Both[bool]()
    one_byte = _Both[bool]()
    stalled = _Both[bool]()

    def __init__(self, target: Target, *, delay: float = 0.0) -> None:
        self.up, self.down = Way(delay=delay), Way(delay=delay)
        self.target = self._own_target = target
        self.refusing = False  # new connections are reset at once
        self.dials: list[Dial] = []
        self.port = 0
        self._dark = False
        self._may_lose = may_lose()
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    @property
    def dark(self) -> bool:
        """Packets of the client vanish, the first ones of a connection too; nothing comes back.

        Without the right to that (``may_lose``) everything stalls, and new connections hang.
        """
        return self._dark

    @dark.setter
    def dark(self, dark: bool) -> None:
        def act() -> None:
            self.stalled = self._dark = dark
            if self._may_lose:
                lose(self._server.sockets[0], dark)
                for link in self._links:
                    link.lose(dark)

        self._on_loop(act)

    def heal(self) -> None:
        """No fault any more. Connections that are open go on, what was held back arrives."""
        self.target, self.refusing = self._own_target, False
        self.dark = False
        self.up.heal()
        self.down.heal()

    def reset(self) -> None:
        """An RST to both ends of every open connection."""
        self._on_loop(self._reset)

    def cut(self) -> None:
        """A FIN to both ends of every open connection, what is in flight is lost."""
        self._on_loop(self._end)

    def _end(self) -> None:
        for link in tuple(self._links):
            link.end()

    def _reset(self) -> None:
        for link in tuple(self._links):
            link.reset()

    def _on_loop(self, act: Callable[[], object]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at, refused = time.monotonic(), self.refusing
        far = None if refused else await self._far_end()
        outcome = "carried" if far else "refused" if refused else "unreachable"
        self.dials.append(Dial(at, outcome))
        if far is None:
            abort(writer)
            return
        link = Link((reader, writer), far, self._reset)
        self._links.add(link)
        if self._may_lose:
            link.lose(self._dark)  # it may have got dark since the client got in
        with contextlib.suppress(asyncio.CancelledError):  # the proxy ends before its clients
            await link.run(self.up, self.down)
        self._links.discard(link)

    async def _far_end(self) -> Streams | None:
        try:
            if isinstance(self.target, str):
                return await asyncio.open_unix_connection(self.target)
            return await asyncio.open_connection(*self.target)
        except OSError:
            return None
