"""A session over a master of the user's: its streams are descriptors that the master is handed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import time
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.host.openssh.mux import Control, NoMaster, Refused
from gpuws.host.session import lost

if TYPE_CHECKING:
    from gpuws.host.openssh.theirs import TheirMaster

_BUSY = 5.0  # seconds to wait for a free session where the server allows only some (MaxSessions)
_KILLED = 255  # ssh tells of no signal; its own status then is this one
_END_OF_INPUT = b"\x04"


class SessionChannel:
    """The SessionChannel port. Opened by ``start``: a master opens none without a command."""

    def __init__(self, transport: TheirMaster) -> None:
        self._transport = transport
        self.started = False
        self.refused = False  # not told apart from a command that ends at once
        self.closed = False
        self._timeout: float | None = None
        self._term: str | None = None
        self._control: Control | None = None
        self._terminal: tuple[int, int] | None = None  # our end, and the one that ssh looks at
        pairs = [socket.socketpair() for _ in range(3)]
        self._in, self._out, self._err = (ours for ours, _ in pairs)
        self._theirs = [theirs for _, theirs in pairs]

    def connected(self) -> bool:
        return self._transport.lives()

    def settimeout(self, seconds: float | None, /) -> None:
        self._timeout = seconds

    def want_terminal(self, term: str, columns: int, rows: int) -> None:
        self._term = term
        self._terminal = os.openpty()
        self._tell_size(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """ssh looks at its terminals when it gets that signal, as from a window."""
        self._tell_size(columns, rows)
        with contextlib.suppress(OSError):
            os.kill(self._transport.process, signal.SIGWINCH)

    def start(self, command: str) -> None:
        """Raises remote-shell where the server opens no session, connection-lost."""
        self.started = True
        deadline = time.monotonic() + _BUSY
        while not self._begin(command):
            if time.monotonic() > deadline or self.closed:
                raise _no_session()
            time.sleep(0.05)
        for theirs in self._theirs:
            theirs.close()

    def recv(self, size: int, /) -> bytes:
        return self._heard(self._out, size)

    def recv_stderr(self, size: int, /) -> bytes:
        return self._heard(self._err, size)

    def sendall(self, data: bytes, /) -> None:
        if self._terminal is not None:
            os.write(self._terminal[0], data)
            return
        self._in.settimeout(self._timeout)
        rest = memoryview(data)
        while rest:  # each part has the time anew
            rest = rest[self._in.send(rest) :]

    def shutdown_write(self) -> None:
        if self._terminal is not None:
            os.write(self._terminal[0], _END_OF_INPUT)
        else:
            self._in.shutdown(socket.SHUT_WR)

    def outcome(self, timeout: float) -> int | None:
        """The exit status; None when the host did not say."""
        status = self._control.status(timeout) if self._control else None
        return _KILLED if status is None and self._transport.lives() else status

    @property
    def eof_received(self) -> bool:
        with contextlib.suppress(OSError):
            return self._out.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        return self.closed

    def close(self) -> None:
        """The master ends the session with its line."""
        if self.closed:
            return
        self.closed = True
        for end in (self._in, self._out, self._err):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes who waits
            end.close()
        for theirs in self._theirs:
            theirs.close()
        for end_of_terminal in self._terminal or ():
            os.close(end_of_terminal)
        if self._control is not None:
            self._control.close()

    def _begin(self, command: str) -> bool:
        streams = [each.fileno() for each in self._theirs]
        if self._terminal is not None:
            streams[0] = self._terminal[1]
        try:
            self._control = Control(self._transport.path)
            self._control.run(command, streams, self._term)
        except Refused:
            return False
        except (NoMaster, OSError):
            raise lost("opening a session") from None
        if self._terminal is not None:
            import tty

            tty.setraw(self._terminal[1])  # once ssh has read how it was: the host has it so
        return True

    def _tell_size(self, columns: int, rows: int) -> None:
        import fcntl
        import termios

        if self._terminal is not None:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self._terminal[0], termios.TIOCSWINSZ, size)

    def _heard(self, end: socket.socket, size: int) -> bytes:
        end.settimeout(self._timeout)
        data = end.recv(size)
        if data:
            self._transport.wire.hear()
        return data


def _no_session() -> GpuwsError:
    return GpuwsError(
        "remote-shell",
        "the server opens no session",
        hint="it allows only some at once (MaxSessions); close the others and try again",
        retryable=True,
    )
