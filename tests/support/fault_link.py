"""One connection through the fault proxy, and what may go wrong on each of its ways."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import random
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields

_CHUNK = 64 * 1024
_IN_FLIGHT = 64 << 20  # bytes on a slow "wire"; more than any window in the tests
_QUEUE = 0.5  # seconds of data that wait before a narrow link, as in a router
_TICK = 0.005  # seconds between looks at what may change at any time
_LATE = 0.02  # seconds that a narrow link makes up for: a sleep ends a little late, each time
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # Linux; the socket module does not name them

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Way:
    """One direction, of every connection. Set at any time, holds from the next chunk on."""

    delay: float = 0.0  # seconds; does not limit throughput
    jitter: float = 0.0  # seconds more at most, by chance; the order is kept
    rate: float = 0.0  # bytes per second and connection; 0: unlimited
    cut_after: int = 0  # bytes to come until every connection is reset; 0: no cut
    corrupt: bool = False  # one byte of the next chunk is flipped; then False again
    one_byte: bool = False  # every write is one byte
    stalled: bool = False  # nothing moves, nothing is closed, nothing is lost
    passed: int = 0  # bytes so far: a count, not a fault

    def heal(self) -> None:
        for each in fields(self):
            if each.name != "passed":
                setattr(self, each.name, each.default)

    def chunk(self) -> int:
        return max(1, min(_CHUNK, int(self.rate / 50))) if self.rate else _CHUNK

    def room(self) -> int:
        """Bytes that may be under way before nothing more is read."""
        if self.rate:
            return int(self.rate * (_QUEUE + self.delay + self.jitter))
        return _IN_FLIGHT if self.delay or self.jitter else 4 * _CHUNK

    def altered(self, data: bytes) -> bytes:
        if not self.corrupt:
            return data
        self.corrupt = False
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


class Link:
    """``near`` is the client's end, ``far`` the server's. ``cut`` resets every connection."""

    def __init__(self, near: Streams, far: Streams, cut: Callable[[], None]) -> None:
        self._near, self._far, self._cut = near, far, cut

    async def run(self, up: Way, down: Way) -> None:
        """Until both ways have ended."""
        try:
            await asyncio.gather(
                self._carry(self._near[0], self._far[1], up),
                self._carry(self._far[0], self._near[1], down),
            )
        finally:
            self.end()

    def reset(self) -> None:
        abort(self._near[1])
        abort(self._far[1])

    def end(self) -> None:
        self._near[1].close()
        self._far[1].close()

    def lose(self, everything: bool) -> None:
        """What the client sends is not even acknowledged any more, or again."""
        lose(self._near[1].get_extra_info("socket"), everything)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way
    ) -> None:
        """Reading and writing apart, so that a delay is not a limit."""
        wire = _Wire()
        reading = asyncio.create_task(self._read(source, wire, way))
        try:
            with contextlib.suppress(OSError):
                await self._write(wire, sink, way)
        finally:
            reading.cancel()

    async def _read(self, source: asyncio.StreamReader, wire: _Wire, way: Way) -> None:
        data = b"?"
        while data:
            while wire.held > way.room():
                await asyncio.sleep(_TICK)
            try:
                data = await source.read(way.chunk())
            except OSError:
                self.reset()  # an RST on one side is an RST on the other
                data = b""
            wire.put(data, way.delay + random.uniform(0, way.jitter))

    async def _write(self, wire: _Wire, sink: asyncio.StreamWriter, way: Way) -> None:
        while data := await wire.get():
            while way.stalled:
                await asyncio.sleep(_TICK)
            await self._pass(way.altered(data), sink, way, wire)
            wire.held -= len(data)
        while way.stalled:
            await asyncio.sleep(_TICK)
        sink.write_eof()

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter, way: Way, wire: _Wire) -> None:
        last = 0 < way.cut_after <= len(data)
        if last:
            data = data[: way.cut_after]
        way.cut_after -= min(len(data), way.cut_after)
        way.passed += len(data)
        for at in range(0, len(data), step := _step(data, way)):
            sink.write(data[at : at + step])
            await sink.drain()
            if way.rate:
                await wire.take(min(step, len(data) - at) / way.rate)
        if last:
            self._cut()


class _Wire:
    """What is under way: each chunk with the time at which it arrives."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self.held = 0  # bytes; whoever has taken some out says when they are through
        self._free = 0.0  # the loop's time at which what was taken is through

    def put(self, data: bytes, delay: float) -> None:
        due = asyncio.get_running_loop().time() + delay
        self.held += len(data)
        self._chunks.put_nowait((due, data))

    async def take(self, seconds: float) -> None:
        """Keep a narrow link busy for so long. Small pieces are as fast as large ones together."""
        now = asyncio.get_running_loop().time()
        self._free = max(self._free, now - _LATE) + seconds
        if self._free > now:
            await asyncio.sleep(self._free - now)

    async def get(self) -> bytes:
        """The next chunk, when it is due; empty at the end."""
        due, data = await self._chunks.get()
        left = due - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
        return data


def _step(data: bytes, way: Way) -> int:
    if way.one_byte:
        return 1
    return max(1, int(way.rate / 50)) if way.rate else max(1, len(data))


def abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def lose(sock: socket.socket, everything: bool) -> None:
    """Have the kernel drop whatever arrives for ``sock`` before TCP sees it. Linux only.

    A program that only stops reading still has its kernel acknowledge: the sender's
    TCP_USER_TIMEOUT would never run, and a new connection would be taken at once. Raises
    PermissionError where the kernel lets only root do this.
    """
    drop = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction: return 0 bytes of the packet
    program = ctypes.create_string_buffer(drop, len(drop))
    prog = struct.pack("HP", 1, ctypes.addressof(program))
    try:
        if everything:
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, prog)
        else:
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, struct.pack("i", 0))
    except OSError as error:  # closed meanwhile, or no filter to take off
        if error.errno not in (errno.EBADF, errno.ENOENT):
            raise


def may_lose() -> bool:
    """Whether this process can have packets dropped."""
    if not sys.platform.startswith("linux"):
        return False
    with socket.socket() as sock:
        try:
            lose(sock, True)
        except PermissionError:
            return False
    return True
