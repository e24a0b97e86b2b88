"""The bridge's end on the host: its sockets and ports, over this program's stdin and stdout.

Its text is sent to a Python of the host, 3.7 or newer: the standard library only. A frame is HEAD
and what follows. Neither side sends a stream more than the other side has room for: WINDOW at
first, and what ROOM says later. When stdin ends, everything does.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
import threading
from collections import deque

HEAD = struct.Struct(">BII")  # kind, stream, bytes that follow
OPEN, DATA, END, ROOM, CLOSE, OPENED, REFUSED, BROKEN = range(1, 9)
"""OPEN is followed by "unix:PATH" or "tcp:HOST:PORT", REFUSED by the reason, ROOM by a number of
bytes. END: this side has said everything; CLOSE: it does not listen any more; BROKEN: it ended in
the middle."""
COUNT = struct.Struct(">I")
WINDOW = 2 << 20  # bytes
PIECE = 64 << 10  # bytes of a DATA frame at most
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_PATIENCE = 10.0  # seconds to connect


class Stream:
    """One connection of the host. ``sock``: None until it is there."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sock: socket.socket | None = None
        self.room = WINDOW  # bytes that the laptop takes
        self.unsent: deque[bytes] = deque()
        self.ending = False  # the laptop has said everything
        self.ended = False  # the host has
        self.watched = 0


class FarEnd:
    """One thread for all streams, and one for each connection that is being made."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._streams: dict[int, Stream] = {}
        self._heard = bytearray()
        self._out: list[bytes] = []
        self._made: deque[tuple[int, socket.socket | None, str]] = deque()
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, _READ, self._hear)
        self._selector.register(self._woken, _READ, self._take)
        self._over = False

    def run(self) -> None:
        while not self._over:
            for key, mask in self._selector.select():
                key.data(mask)
            self._flush()

    # --- the laptop's side -----------------------------------------------------------------------

    def _say(self, kind: int, number: int, text: bytes = b"") -> None:
        self._out.append(HEAD.pack(kind, number, len(text)) + text)

    def _flush(self) -> None:
        """May wait: the laptop always reads."""
        left = memoryview(b"".join(self._out))
        self._out.clear()
        while left:
            left = left[os.write(self._sink, left) :]

    def _hear(self, _: int) -> None:
        data = os.read(self._source, 4 * PIECE)
        self._over = not data
        self._heard += data
        at = 0
        while len(self._heard) - at >= HEAD.size:
            kind, number, size = HEAD.unpack_from(self._heard, at)
            if len(self._heard) - at - HEAD.size < size:
                break
            at += HEAD.size + size
            self._obey(kind, number, bytes(self._heard[at - size : at]))
        del self._heard[:at]

    def _obey(self, kind: int, number: int, text: bytes) -> None:
        if kind == OPEN:
            self._streams[number] = Stream(number)
            words = (number, text.decode())
            threading.Thread(target=self._connect, args=words, daemon=True).start()
            return
        stream = self._streams.get(number)
        if stream is None:  # it ended meanwhile
            return
        if kind == CLOSE:
            self._forget(stream)
            return
        if kind == DATA:
            stream.unsent.append(text)
        elif kind == ROOM:
            stream.room += COUNT.unpack(text)[0]
        elif kind == END:
            stream.ending = True
        self._settle(stream)

    # --- the host's side -------------------------------------------------------------------------

    def _connect(self, number: int, where: str) -> None:
        """In a thread: a name or a port may take its time."""
        try:
            self._made.append((number, connected(where), ""))
        except OSError as error:
            self._made.append((number, None, str(error)))
        self._wake.send(b"!")

    def _take(self, _: int) -> None:
        self._woken.recv(1)
        number, sock, why = self._made.popleft()
        stream = self._streams.get(number)
        if sock is None:
            self._say(REFUSED, number, why.encode()[:200])
            self._streams.pop(number, None)
        elif stream is None:
            sock.close()
        else:
            sock.setblocking(False)
            stream.sock = sock
            self._say(OPENED, number)
            self._settle(stream)

    def _ready(self, stream: Stream, mask: int) -> None:
        if mask & _READ and stream.sock is not None:
            self._read(stream, stream.sock)
        self._settle(stream)

    def _read(self, stream: Stream, sock: socket.socket) -> None:
        try:
            data = sock.recv(min(PIECE, stream.room))
        except BlockingIOError:
            return
        except OSError:
            self._break(stream)
            return
        if data:
            stream.room -= len(data)
            self._say(DATA, stream.number, data)
        else:
            stream.ended = True
            self._say(END, stream.number)

    def _settle(self, stream: Stream) -> None:
        """Send what can be sent; then wait for what is left, or end."""
        if stream.sock is None:
            return
        try:
            self._write(stream, stream.sock)
        except OSError:
            self._break(stream)
            return
        if stream.ending and stream.ended and not stream.unsent:
            self._say(CLOSE, stream.number)
            self._forget(stream)
            return
        reading = not stream.ended and stream.room > 0
        self._watch(stream, (_READ if reading else 0) | (_WRITE if stream.unsent else 0))

    def _write(self, stream: Stream, sock: socket.socket) -> None:
        taken = 0
        try:
            while stream.unsent:
                sent = sock.send(stream.unsent[0])
                taken += sent
                rest = stream.unsent.popleft()[sent:]
                if rest:
                    stream.unsent.appendleft(rest)
        except BlockingIOError:
            pass
        if taken:
            self._say(ROOM, stream.number, COUNT.pack(taken))
        if stream.ending and not stream.unsent and not stream.ended:
            sock.shutdown(socket.SHUT_WR)

    def _watch(self, stream: Stream, wanted: int) -> None:
        if wanted == stream.watched or stream.sock is None:
            return
        if not stream.watched:
            self._selector.register(stream.sock, wanted, lambda mask: self._ready(stream, mask))
        elif not wanted:
            self._selector.unregister(stream.sock)
        else:
            self._selector.modify(stream.sock, wanted, lambda mask: self._ready(stream, mask))
        stream.watched = wanted

    def _break(self, stream: Stream) -> None:
        self._say(CLOSE if stream.ended else BROKEN, stream.number)
        self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)
        self._watch(stream, 0)
        if stream.sock is not None:
            stream.sock.close()
            stream.sock = None


def connected(where: str) -> socket.socket:
    """Raises OSError."""
    kind, _, place = where.partition(":")
    if kind == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(_PATIENCE)
        try:
            sock.connect(place)
        except OSError:
            sock.close()
            raise
        return sock
    host, _, port = place.rpartition(":")
    sock = socket.create_connection((host, int(port)), _PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def main() -> None:
    try:
        FarEnd(sys.stdin.fileno(), sys.stdout.fileno()).run()
    except BrokenPipeError:  # the connection to the laptop is gone
        os._exit(0)


if __name__ == "__main__":
    main()
