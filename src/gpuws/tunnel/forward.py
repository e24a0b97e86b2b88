"""A forward: one local port, and whatever connection carries it at the moment."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Stream
from gpuws.tunnel import local_ports
from gpuws.tunnel.connection import Connection
from gpuws.tunnel.listener import LOOPBACK, Listener, listen

OpenStream = Callable[[], Stream]

_GOODBYE = 0.05  # seconds that close() waits for streams to be closed


@dataclass(frozen=True)
class Stats:
    """What went through a forward since it was opened. Bytes of payload."""

    open: int = 0  # connections now
    total: int = 0  # connections ever accepted
    bytes_in: int = 0  # from the host
    bytes_out: int = 0  # to the host
    refused: int = 0  # connections for which no stream could be opened
    last_error: str = ""  # of the last one refused


class Forward:
    """Made by ``open_forward``. Safe to use from several threads."""

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._past = Stats()
        self._closed = False
        self._listener: Listener | None = None

    @property
    def local_port(self) -> int:
        return self._port

    def listen(self, port: int) -> None:
        """Open the listener on 127.0.0.1. Raises OSError where the port is taken."""
        self._listener = listen(port, self._serve)
        self._port = self._listener.local_bind_port

    def retarget(self, open_stream: OpenStream) -> None:
        """New connections use ``open_stream``; those that are open go on as they are."""
        self._open_stream = open_stream

    def stats(self) -> Stats:
        with self._lock:
            past, now = self._past, tuple(self._connections)
        return Stats(
            open=len(now),
            total=past.total + len(now),
            bytes_in=past.bytes_in + sum(each.bytes_in for each in now),
            bytes_out=past.bytes_out + sum(each.bytes_out for each in now),
            refused=past.refused,
            last_error=past.last_error,
        )

    def close(self) -> None:
        """Close the port and end every connection, in less than 0.2 s. Safe to call twice."""
        with self._lock:
            self._closed = True
            ending = tuple(self._connections)
        for connection in ending:
            connection.end_local()
        closing = threading.Thread(target=_end_streams, args=(ending,), daemon=True)
        closing.start()  # a stream's close may wait for a dead network
        if self._listener:
            self._listener.stop()
        closing.join(_GOODBYE)

    def _serve(self, local: socket.socket) -> None:
        try:
            stream = self._open_stream()
        except (OSError, EOFError, GpuwsError) as error:
            self._refuse(error)
            return
        connection = Connection(local, stream)
        if not self._enter(connection):
            stream.close()
            return
        try:
            connection.run()
        finally:
            self._leave(connection)

    def _refuse(self, error: Exception) -> None:
        """The client sees its connection closed at once, as with ``ssh -L``."""
        with self._lock:
            past = self._past
            self._past = Stats(
                total=past.total + 1,
                bytes_in=past.bytes_in,
                bytes_out=past.bytes_out,
                refused=past.refused + 1,
                last_error=str(error),
            )

    def _enter(self, connection: Connection) -> bool:
        with self._lock:
            if not self._closed:
                self._connections.add(connection)
            return not self._closed

    def _leave(self, connection: Connection) -> None:
        with self._lock:
            past = self._past
            self._connections.discard(connection)
            self._past = Stats(
                total=past.total + 1,
                bytes_in=past.bytes_in + connection.bytes_in,
                bytes_out=past.bytes_out + connection.bytes_out,
                refused=past.refused,
                last_error=past.last_error,
            )


def _end_streams(connections: tuple[Connection, ...]) -> None:
    for connection in connections:
        connection.end_stream()


def open_forward(
    open_stream: OpenStream, local_port: int | None = None, *, wanted: int = 8888
) -> Forward:
    """A listener on 127.0.0.1 whose connections are carried by ``open_stream()``.

    ``local_port`` is used or refused (local-port-taken); without it ``wanted`` is used if it is
    free, else the next free port. ``open_stream`` is asked once a connection, in its thread.
    """
    _allow_many_connections()
    forward = Forward(open_stream)
    if local_port is not None:
        _listen_exactly(forward, local_port)
        return forward
    for port in local_ports.candidates(wanted):
        with contextlib.suppress(OSError):  # taken since we looked
            forward.listen(port)
            return forward
    raise GpuwsError("local-port-taken", f"no free port on {LOOPBACK} of this laptop")


def _listen_exactly(forward: Forward, port: int) -> None:
    if not 1 <= port <= 65535:
        raise GpuwsError("usage", f"{port} is not a port: it must be from 1 to 65535")
    try:
        if local_ports.is_free(port):
            forward.listen(port)
            return
        cause = None
    except OSError as error:
        cause = error
    raise _taken(port) from cause


def _taken(port: int) -> GpuwsError:
    who = local_ports.holder(port)
    if not who and port < 1024:
        reason = "may need more rights than yours (it is below 1024) or is taken"
    else:
        reason = f"is taken by {who}" if who else "is taken"
    free = next(local_ports.candidates(max(port + 1, 8888)))
    hint = f"use --local-port {free}, or leave --local-port out" if free else ""
    return GpuwsError("local-port-taken", f"local port {port} of this laptop {reason}", hint=hint)


def _allow_many_connections(wanted: int = 8192) -> None:
    """Two descriptors a connection: the usual 1024 (macOS: 256) would end at some hundreds."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
