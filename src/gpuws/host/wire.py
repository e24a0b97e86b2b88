"""The bytes under an SSH connection: a socket that notices floods, silence and dead proxies."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from gpuws.errors import GpuwsError
from gpuws.host.network import acknowledged

_BANNER_LIMIT = 64 << 10  # bytes a server may send before its "SSH-" line has ended
_GREETING = re.compile(rb"^SSH-", re.MULTILINE)
_GREETED = re.compile(rb"^SSH-.*\n", re.MULTILINE)
_AHEAD = 4 << 10  # bytes read with a packet's head: most packets are smaller
_PROMPT = 64 << 10  # bytes that are acknowledged at once: login and first answers


class Pipe(Protocol):
    """What a wire runs over: a socket, or a channel of the connection to a jump host."""

    def send(self, data: bytes, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Wire:
    """A Pipe with an overall deadline for the handshake.

    Keeps the first bytes for messages, when anything was last heard, and what to end with it.
    """

    def __init__(
        self, pipe: Pipe, *, name: str, on_close: Callable[[], None] | None = None
    ) -> None:
        self._pipe = pipe
        self._on_close = on_close
        self._greeted = False
        self._received = 0
        self._held = b""  # read ahead, not asked for yet
        self._closing = threading.Lock()
        self._timer: threading.Timer | None = None
        self.name = name
        self.head = b""  # what came before the handshake, at most the banner limit
        self.last_heard = time.monotonic()
        self.expired = False
        self.closed = False
        self.ended = False  # by the other side, before we closed it
        self.explain: Callable[[], str] = str  # why it ended: a proxy's last words, or which hop

    def send(self, data: bytes) -> int:
        try:
            return self._pipe.send(data)
        except OSError as error:
            raise self._judged(error) from None

    def _judged(self, error: OSError) -> OSError:
        if isinstance(error, BlockingIOError | TimeoutError):
            return TimeoutError()
        self._end()
        return error

    def _end(self) -> None:
        self.ended = self.ended or not self.closed

    def recv(self, size: int) -> bytes:
        """A small packet comes whole: its head is not asked for and waited for apart."""
        if not self._held:
            self._held = self._receive(max(size, _AHEAD) if self._greeted else size)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _receive(self, size: int) -> bytes:
        if self._received < _PROMPT:
            self._acknowledge_at_once()
        try:
            data = self._pipe.recv(size)
        except OSError as error:
            raise self._judged(error) from None
        if not data:
            self._end()
        self._received += len(data)
        if data:  # an end is no word from the host: it may be our own doing
            self.last_heard = time.monotonic()
        if not self._greeted:
            self._greet(data)
        return data

    def settimeout(self, seconds: float | None) -> None:
        """The kernel's own deadlines where a socket has them: Python's cost a call more each."""
        if seconds and isinstance(self._pipe, socket.socket) and os.name != "nt":
            self._pipe.settimeout(None)
            span = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            for kind in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                self._pipe.setsockopt(socket.SOL_SOCKET, kind, span)
        else:
            self._pipe.settimeout(seconds)

    def close(self) -> None:
        """Close once, also what carries it (a proxy process, the jump host's connection)."""
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self.relax()
        if isinstance(self._pipe, socket.socket):
            with contextlib.suppress(OSError):
                self._pipe.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in recv
        self._pipe.close()
        if self._on_close is not None:
            self._on_close()

    @property
    def _closed(self) -> bool:
        """As of a socket: paramiko looks at it while it waits for its reader to end."""
        return self.closed

    def expire_in(self, seconds: float) -> None:
        """Close everything unless ``relax`` is called before."""
        self.relax()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def relax(self) -> None:
        """What had a deadline is done."""
        if self._timer is not None:
            self._timer.cancel()

    def spoke_ssh(self) -> bool:
        return self._greeted or _GREETING.search(self.head) is not None

    def explained(self, error: GpuwsError) -> GpuwsError:
        """A loss with what is known of the way: all of it stands in the detail."""
        why = self.explain() if self.ended and error.retryable else ""
        if not why:
            return error
        return GpuwsError(
            error.code,
            f"{error.message}: {why.splitlines()[0]}",
            hint=error.hint,
            stage=error.stage,
            detail=why,
            retryable=True,
        )

    @property
    def peer(self) -> tuple[object, ...] | None:
        """The address at the other end; None through a proxy command or a jump host."""
        return self._asked_of_socket(socket.socket.getpeername)

    def own_address(self) -> str | None:
        """The laptop's own address of this connection."""
        found = self._asked_of_socket(socket.socket.getsockname)
        return None if found is None else str(found[0])

    def acknowledged(self) -> int | None:
        """See ``network.acknowledged``."""
        return acknowledged(self._pipe) if isinstance(self._pipe, socket.socket) else None

    def _asked_of_socket(
        self, question: Callable[[socket.socket], tuple[object, ...]]
    ) -> tuple[object, ...] | None:
        internet = (socket.AF_INET, socket.AF_INET6)
        if not isinstance(self._pipe, socket.socket) or self._pipe.family not in internet:
            return None
        try:
            return question(self._pipe)
        except OSError:
            return None

    def _acknowledge_at_once(self) -> None:
        """During the login sshd still has Nagle on: a delayed acknowledgement costs 40 ms twice."""
        if sys.platform == "linux" and isinstance(self._pipe, socket.socket):
            with contextlib.suppress(OSError):
                self._pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _greet(self, data: bytes) -> None:
        self.head += data
        greeted = _GREETED.search(self.head)
        if greeted:
            self._greeted = True
            self.head = self.head[: greeted.end()]
        elif self._received > _BANNER_LIMIT:
            raise EOFError("no SSH banner")

    def _expire(self) -> None:
        self.expired = True
        self.close()
