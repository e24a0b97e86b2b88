"""The control socket of a running ssh: what OpenSSH's PROTOCOL.mux says, as far as it is needed."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gpuws.host.sanitise import one_line
from gpuws.plan.model import Target

ANSWER = 10.0  # seconds; a master that is alive answers at once, a forward after a round trip
_VERSION = 4
_HELLO = 0x00000001
_SESSION, _ALIVE, _TERMINATE = 0x10000002, 0x10000004, 0x10000005
_OPEN_FORWARD, _CLOSE_FORWARD, _PROXY = 0x10000006, 0x10000007, 0x1000000F
_OK, _EXIT, _IS_ALIVE, _IS_OPEN, _IS_PROXY = (
    0x80000001,
    0x80000004,
    0x80000005,
    0x80000006,
    0x8000000F,
)
_LOCAL, _REMOTE = 1, 2  # the kinds of forward: who listens
_UNIX = 0xFFFFFFFE  # for a port: the name is a socket's path
_NO_ESCAPE = 0xFFFFFFFF
_LARGEST = 256 << 10  # bytes of one answer


class NoMaster(Exception):
    """Nobody answers at the socket, or something that is no master of OpenSSH."""


@dataclass(frozen=True)
class Forward:
    """``remote``: the host listens, and what comes leads to a target of this machine."""

    remote: bool
    listens: Target
    leads_to: Target

    def words(self) -> tuple[bytes | int, ...]:
        kind = _REMOTE if self.remote else _LOCAL
        return (kind, *_place(self.listens), *_place(self.leads_to))


def _place(target: Target) -> tuple[bytes, int]:
    if target.socket:
        return os.fsencode(target.socket), _UNIX
    return target.host.encode(), target.port


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
        forward = Forward(True, Target(host=address, port=port), Target(port=9))
        if not self.open(forward, seconds):
            return False
        self.cancel(forward)
        return True

    def open(self, forward: Forward, seconds: float = ANSWER) -> bool:
        """Whether there is one now."""
        self._wait_at_most(seconds)
        try:
            self._ask(_OPEN_FORWARD, _OK, *forward.words())
        except Refused:
            return False
        return True

    def cancel(self, forward: Forward) -> None:
        self._ask(_CLOSE_FORWARD, _OK, *forward.words())

    def run(self, command: str, streams: Sequence[int], term: str | None) -> None:
        """Start a command whose three streams are these descriptors; ``term``: in a terminal of
        that kind, as large as the one that is its input. Raises Refused."""
        self._asked += 1
        self._send(
            *(_SESSION, self._asked, b""),
            *(int(term is not None), 0, 0, 0, _NO_ESCAPE),
            *((term or "").encode(), command.encode()),
        )
        for stream in streams:
            socket.send_fds(self._line, [b"\0"], [stream])
        kind, body = self._receive()
        if kind != _IS_OPEN:
            raise Refused(one_line(body[8:], 200))

    def status(self, seconds: float) -> int | None:
        """The command's exit status; None where it has none, or none in that time."""
        with contextlib.suppress(OSError, NoMaster):
            self._wait_at_most(seconds)
            while True:
                kind, body = self._receive()
                if kind == _EXIT:
                    return int(struct.unpack(">I", body[4:8])[0])
        return None

    def wait_for_its_end(self) -> None:
        """Returns when the master is gone, or the line closed."""
        with contextlib.suppress(OSError, NoMaster):
            self._wait_at_most(None)
            while self._line.recv(4096):
                pass

    def channels(self) -> socket.socket:
        """The line itself, which carries packets of SSH's connection protocol from now on."""
        self._ask(_PROXY, _IS_PROXY)
        self._line.settimeout(None)
        return self._line

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)  # wakes who waits for its end
        self._line.close()

    def _wait_at_most(self, seconds: float | None) -> None:
        """Another thread may have closed the line meanwhile, because the master ended."""
        try:
            self._line.settimeout(seconds)
        except OSError as error:
            raise NoMaster(error.strerror or str(error)) from None

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
