"""A forward: one local port, and whatever connection carries it at the moment."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
import threading
import time
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.tunnel import local_ports
from gpuws.tunnel.ahead import Ahead
from gpuws.tunnel.connection import Connection, OpenFlow
from gpuws.tunnel.listener import LOOPBACK, Listener, listen
from gpuws.tunnel.pump import Pump

PATIENCE = 60.0  # seconds that a client waits for a connection that is being made again


@dataclass(frozen=True)
class Stats:
    """What went through a forward since it was opened. Bytes of payload."""

    open: int = 0  # connections now
    waiting: int = 0  # clients that wait for the connection to the host
    total: int = 0  # connections ever accepted
    bytes_in: int = 0  # from the host
    bytes_out: int = 0  # to the host
    refused: int = 0  # connections for which no flow could be opened
    last_error: str = ""  # of the last one refused
    refusing: bool = False  # whether the last connection that ended was a refused one


class Forward:
    """Made by ``open_forward``. Safe to use from several threads.

    A client that comes while there is no connection to the host waits, unread, for ``patience``
    seconds: nothing of what it said is lost, since nothing was taken yet.
    """

    def __init__(self, open_flow: OpenFlow, patience: float = PATIENCE) -> None:
        self._open_flow = open_flow
        self._patience = patience
        self._lock = threading.Lock()  # of the sets and sums that stats() reads
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # the first one first
        self._past = Stats()
        self._closed = False
        self._listener: Listener | None = None
        self._pump = Pump(self._lose_patience)

    @property
    def local_port(self) -> int:
        return self._port

    def listen(self, port: int) -> None:
        """Open the listener on 127.0.0.1. Raises OSError where the port is taken."""
        self._listener = listen(port, self._serve)
        self._port = self._listener.local_bind_port

    def retarget(self, open_flow: OpenFlow) -> None:
        """New connections, and those that wait, use ``open_flow``; open ones go on as they are."""
        before, self._open_flow = self._open_flow, open_flow
        self._pump.call(functools.partial(_give_up, before))
        self._pump.call(self._resume)

    def stats(self) -> Stats:
        with self._lock:
            past, now, waiting = self._past, tuple(self._connections), len(self._waiting)
        return Stats(
            open=len(now) - waiting,
            waiting=waiting,
            total=past.total + len(now),
            bytes_in=past.bytes_in + sum(each.bytes_in for each in now),
            bytes_out=past.bytes_out + sum(each.bytes_out for each in now),
            refused=past.refused,
            last_error=past.last_error,
            refusing=past.refusing,
        )

    def close(self) -> None:
        """Close the port and end every connection, in less than 0.2 s. Safe to call twice."""
        with self._lock:
            self._closed = True
            ending = tuple(self._connections)
        for connection in ending:  # the pump itself may wait for a dead network
            connection.end_now()
        if self._listener:  # before the pump, which ends whatever was accepted meanwhile
            self._listener.stop()
        self._pump.call(self._end_all)
        self._pump.stop()

    # --- the pump's thread -----------------------------------------------------------------------

    def _serve(self, local: socket.socket) -> None:
        """From the listener's thread."""
        connection = Connection(local, self._pump, self._over)
        with self._lock:
            if not self._closed:
                self._connections.add(connection)
        self._pump.call(functools.partial(self._begin, connection))

    def _begin(self, connection: Connection) -> None:
        if self._closed:
            connection.finish()
            return
        try:
            connection.begin(self._open_flow)
        except GpuwsError as error:
            if error.code == "connection-lost":
                self._wait(connection)
            else:
                connection.refuse(error)
        except (OSError, EOFError):
            self._wait(connection)

    def _wait(self, connection: Connection) -> None:
        if not connection.patience_ends:
            connection.patience_ends = time.monotonic() + self._patience
        with self._lock:
            self._waiting[connection] = None
        self._pump.want_ticks()

    def _resume(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for connection in waiting:
            self._begin(connection)

    def _lose_patience(self) -> bool:
        """Who waited long enough sees its connection reset; whether others still wait."""
        now = time.monotonic()
        for connection in [each for each in self._waiting if each.patience_ends <= now]:
            connection.finish(reset=True)
        return bool(self._waiting)

    def _over(self, connection: Connection) -> None:
        if connection.was_lost and not self._closed:
            self._wait(connection)
            return
        refusal = connection.refusal
        with self._lock:
            past = self._past
            self._connections.discard(connection)
            self._waiting.pop(connection, None)
            self._past = Stats(
                total=past.total + 1,
                bytes_in=past.bytes_in + connection.bytes_in,
                bytes_out=past.bytes_out + connection.bytes_out,
                refused=past.refused + (refusal is not None),
                last_error=str(refusal) if refusal else past.last_error,
                refusing=refusal is not None,
            )

    def _end_all(self) -> None:
        with self._lock:
            ending = tuple(self._connections)
        for connection in ending:
            connection.finish()
        _give_up(self._open_flow)


def _give_up(open_flow: OpenFlow) -> None:
    """What it holds in reserve would stay open on the host, with nobody to use it."""
    if isinstance(open_flow, Ahead):
        open_flow.close()


def open_forward(
    open_flow: OpenFlow,
    local_port: int | None = None,
    *,
    wanted: int = 8888,
    patience: float = PATIENCE,
) -> Forward:
    """A listener on 127.0.0.1 whose connections are carried by ``open_flow``.

    ``local_port`` is used or refused (local-port-taken); without it ``wanted`` is used if it is
    free, else the next free port. ``open_flow`` is asked once a connection, in the pump's thread.
    """
    _allow_many_connections()
    forward = Forward(open_flow, patience)
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
