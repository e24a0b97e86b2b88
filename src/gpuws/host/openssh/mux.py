"""The control socket of a running ssh: what OpenSSH's PROTOCOL.mux says, as far as it is needed."""

from __future__ import annotations

import contextlib
import socket
import struct

from gpuws.host.sanitise import one_line

ANSWER = 10.0  # seconds; a master that is alive answers at once, a forward after a round trip
_VERSION = 4
_HELLO = 0x00000001
_ALIVE, _TERMINATE, _OPEN_FORWARD, _CLOSE_FORWARD = 0x10000004, 0x10000005, 0x10000006, 0x10000007
_PROXY = 0x1000000F
_IS_ALIVE, _IS_PROXY, _OK = 0x80000005, 0x8000000F, 0x80000001
_REMOTE = 2  # the kind of forward that listens on the host
_LARGEST = 256 << 10  # bytes of one answer


class NoMaster(Exception):
    """Nobody answers at the socket, or something that is no master of OpenSSH."""


class Control:
    """One connection to a master. Used by one thread at a time; raises NoMaster, TimeoutError."""

    def __init__(self, path: str) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(ANSWER)
        self._asked = 0
        try:
            self._line.connect(path)
            self._send(_HELLO, _VERSION)
            kind, body = self._receive()
        except (OSError, NoMaster) as error:
            self._line.close()
            raise NoMaster(str(error)) from None
        if (kind, body[:4]) != (_HELLO, struct.pack(">I", _VERSION)):
            self._line.close()
            raise NoMaster("it speaks another version of the protocol")

    def process(self) -> int:
        """The master's process id."""
        (pid,) = struct.unpack(">I", self._ask(_ALIVE, _IS_ALIVE)[:4])
        return int(pid)

    def terminate(self) -> None:
        """Have it end. It closes the line instead of an answer."""
        with contextlib.suppress(OSError):
            self._send(_TERMINATE, 0)

    def may_listen(self, address: str, port: int, seconds: float) -> bool:
        """Whether the host would listen there: it is asked to, and to stop again. Raises
        TimeoutError too."""
        self._line.settimeout(seconds)
        where = (_REMOTE, address.encode(), port, b"127.0.0.1", 9)
        try:
            self._ask(_OPEN_FORWARD, _OK, *where)
        except Refused:
            return False
        self._ask(_CLOSE_FORWARD, _OK, *where)
        return True

    def channels(self) -> socket.socket:
        """The line itself, which carries packets of SSH's connection protocol from now on."""
        self._ask(_PROXY, _IS_PROXY)
        self._line.settimeout(None)
        return self._line

    def close(self) -> None:
        self._line.close()

    # --- packets ---------------------------------------------------------------------------------

    def _ask(self, question: int, wanted: int, *words: bytes | int) -> bytes:
        self._asked += 1
        number = struct.pack(">I", self._asked)
        try:
            self._send(question, self._asked, *words)
            kind, body = self._receive()
            while body[:4] != number:  # the answer that somebody did not wait for any longer
                kind, body = self._receive()
        except TimeoutError:
            raise
        except OSError as error:
            raise NoMaster(error.strerror or str(error)) from None
        if kind != wanted:
            raise Refused(one_line(body[8:], 200))
        return body[4:]

    def _send(self, *words: bytes | int) -> None:
        parts = (
            struct.pack(">I", each)
            if isinstance(each, int)
            else struct.pack(">I", len(each)) + each
            for each in words
        )
        packet = b"".join(parts)
        self._line.sendall(struct.pack(">I", len(packet)) + packet)

    def _receive(self) -> tuple[int, bytes]:
        (length,) = struct.unpack(">I", self._exactly(4))
        if not 4 <= length <= _LARGEST:
            raise NoMaster("it does not speak the protocol")
        body = self._exactly(length)
        return struct.unpack(">I", body[:4])[0], body[4:]

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self._line.recv(size - len(data))
            if not block:
                raise NoMaster("it closed the connection")
            data += block
        return data


class Refused(NoMaster):
    """The master said no; the text is its own."""
