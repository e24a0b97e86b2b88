"""Session channels of one connection, and the one that is opened before it is needed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager

import paramiko

from gpuws.errors import GpuwsError
from gpuws.host import session
from gpuws.host.carrier import Carrier, SessionChannel
from gpuws.host.refusal import PROHIBITED, ChannelRefused
from gpuws.host.sanitise import one_line
from gpuws.host.script import REMOTE_COMMAND

_OPEN = 15.0  # seconds to open a session channel
_BUSY = 5.0  # seconds to wait for a free session where the server allows only some (MaxSessions)


class Sessions:
    """Opening a session and starting a shell in it costs two round trips: a spare one has them
    behind it. Safe to use from several threads."""

    def __init__(self, transport: Carrier) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._spare: Future[SessionChannel | None] | None = None

    def new(self, what: str) -> AbstractContextManager[SessionChannel]:
        """A session for ``what``, closed after. Raises remote-shell, remote-timeout,
        connection-lost."""
        return _closing(self.open(what))

    def open(self, what: str) -> SessionChannel:
        """With MaxSessions 1 the one before may still be ending, or be our own spare one."""
        deadline = time.monotonic() + _BUSY
        while True:
            try:
                return self._transport.open_command(_OPEN)
            except ChannelRefused as error:
                if error.code == PROHIBITED:
                    raise session.no_commands(
                        f"it opens no session ({one_line(str(error), 120)})"
                    ) from None
                spare = self._take()
                if spare is not None:
                    spare.close()
                elif time.monotonic() > deadline:
                    raise _no_session(what, error) from None
                time.sleep(0.05)
            except TimeoutError:
                raise session.too_slow(f"opening a session for {what}", _OPEN) from None
            except EOFError:
                raise session.lost(what) from None

    def prepare(self) -> None:
        """Begin to open a spare session with a shell that waits for a script."""
        with self._lock:
            if self._spare is not None:
                return
            self._spare = Future()
        threading.Thread(target=self._open_spare, args=(self._spare,), daemon=True).start()

    def spare(self, *, wait: bool) -> AbstractContextManager[SessionChannel] | None:
        """The spare session, where one was prepared and can be used; it is used up then."""
        with self._lock:
            there = self._spare is not None and (wait or self._spare.done())
        if not there:
            return None
        found = self._take()
        return _closing(found) if found is not None else None

    def _take(self) -> SessionChannel | None:
        with self._lock:
            waiting, self._spare = self._spare, None
        found = waiting.result() if waiting is not None else None
        return None if found is None or found.closed or found.eof_received else found

    def _open_spare(self, waiting: Future[SessionChannel | None]) -> None:
        try:
            channel = self._transport.open_command(_OPEN)
            channel.start(REMOTE_COMMAND)
        except (ChannelRefused, GpuwsError, EOFError, OSError, paramiko.SSHException):
            waiting.set_result(None)
        else:
            waiting.set_result(channel)


@contextlib.contextmanager
def _closing(channel: SessionChannel) -> Iterator[SessionChannel]:
    try:
        yield channel
    finally:
        channel.close()


def _no_session(what: str, error: ChannelRefused) -> GpuwsError:
    return GpuwsError(
        "remote-shell",
        f"the server opens no session for {what}: {one_line(str(error), 120)}",
        hint="it allows only some at once (MaxSessions); close the others and try again",
        retryable=True,
    )
