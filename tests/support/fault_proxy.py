"""A TCP proxy on loopback that misbehaves on demand: delay, throttle, stall, cut, reset …

    with FaultProxy(("127.0.0.1", sshd.port), delay=0.05) as proxy:  # 100 ms round trip
        connect to proxy.port
        proxy.stalled = True  # a black hole, until False
        proxy.reset()         # every open connection gets an RST

Attributes may be changed at any time from any thread and hold from the next chunk on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

_CHUNK = 64 * 1024
_IN_FLIGHT = 64 << 20  # bytes on the "wire" a direction; more than any window in the tests
_TICK = 0.005  # seconds between looks at ``stalled``


class FaultProxy:
    """Faults hold for both directions; delay is one way, so a round trip takes twice as long."""

    def __init__(
        self,
        target: tuple[str, int] | str,
        *,
        delay: float = 0.0,
        rate: float = 0.0,
        cut_after: int = 0,
        corrupt_at: int = 0,
        one_byte: bool = False,
    ) -> None:
        self.target = target  # (host, port), or the path of a Unix socket
        self.delay = delay  # seconds one way; does not limit throughput
        self.rate = rate  # bytes per second each way and connection; 0: unlimited
        self.cut_after = cut_after  # bytes of both directions after which a connection is reset
        self.corrupt_at = corrupt_at  # 1-based position of a byte to flip, of each direction
        self.one_byte = one_byte  # every write is one byte
        self.stalled = False  # nothing moves, nothing is closed: a black hole
        self.refusing = False  # new connections are reset at once
        self.accepted = 0
        self.port = 0
        self._links: set[_Link] = set()
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

    def reset(self) -> None:
        """An RST to both ends of every open connection."""
        self._on_loop(_Link.reset)

    def cut(self) -> None:
        """A FIN to both ends of every open connection, what is in flight is lost."""
        self._on_loop(_Link.end)

    def _on_loop(self, act: Callable[[_Link], None]) -> None:
        async def run() -> None:
            for link in tuple(self._links):
                act(link)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            _abort(writer)
            return
        try:
            if isinstance(self.target, str):
                far = await asyncio.open_unix_connection(self.target)
            else:
                far = await asyncio.open_connection(*self.target)
        except OSError:
            _abort(writer)
            return
        link = _Link(self, writer, far[1])
        self._links.add(link)
        try:
            await asyncio.gather(link.carry(reader, far[1]), link.carry(far[0], writer))
        finally:
            self._links.discard(link)
            link.end()


class _Link:
    """One connection through the proxy."""

    def __init__(
        self, proxy: FaultProxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._ends = (near, far)
        self._passed = 0

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One direction: reading and writing apart, so that a delay is not a limit."""
        wire: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT // _CHUNK)
        reading = asyncio.create_task(self._read(source, wire))
        try:
            with contextlib.suppress(OSError):
                await self._write(wire, sink)
        finally:
            reading.cancel()

    async def _read(
        self, source: asyncio.StreamReader, wire: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        now = asyncio.get_running_loop().time
        data = b"?"
        while data:
            try:
                data = await source.read(_CHUNK)
            except OSError:
                self.reset()  # an RST on one side is an RST on the other
                data = b""
            await wire.put((now() + self._proxy.delay, data))

    async def _write(
        self, wire: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        proxy, sent = self._proxy, 0
        while True:
            due, data = await wire.get()
            await _until(due)
            while proxy.stalled:
                await asyncio.sleep(_TICK)
            if not data:
                sink.write_eof()
                return
            data = _flipped(data, proxy.corrupt_at - 1 - sent)
            sent += len(data)
            await self._pass(data, sink)

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        proxy = self._proxy
        if proxy.cut_after and self._passed + len(data) >= proxy.cut_after:
            sink.write(data[: proxy.cut_after - self._passed])
            await sink.drain()
            self.reset()
            return
        self._passed += len(data)
        if proxy.rate:
            await _paced(data, proxy.rate, sink)
        elif proxy.one_byte:
            for byte in data:
                sink.write(bytes([byte]))
                await sink.drain()
        else:
            sink.write(data)
            await sink.drain()

    def reset(self) -> None:
        for writer in self._ends:
            _abort(writer)

    def end(self) -> None:
        for writer in self._ends:
            writer.close()


async def _until(due: float) -> None:
    left = due - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)


async def _paced(data: bytes, rate: float, sink: asyncio.StreamWriter) -> None:
    step = max(1, int(rate / 50))  # fifty writes a second
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        sink.write(piece)
        await sink.drain()
        await asyncio.sleep(len(piece) / rate)


def _flipped(data: bytes, at: int) -> bytes:
    if not 0 <= at < len(data):
        return data
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
