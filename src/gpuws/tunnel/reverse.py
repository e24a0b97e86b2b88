"""A port of the host that leads to a port of the laptop, for a proxy that runs there."""

from __future__ import annotations

import contextlib
import socket
import threading

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Arrival
from gpuws.tunnel.connection import Connection
from gpuws.tunnel.local_ports import LOOPBACK
from gpuws.tunnel.pump import Pump

_PATIENCE = 5.0  # seconds for the laptop's own program to answer
_MOST = 256  # connections at once: a host must not use up the laptop's threads and descriptors


class Reverse:
    """Outlives the connections that carry it, as a Forward does."""

    def __init__(self, local_port: int) -> None:
        self.local_port = local_port
        self._lock = threading.Lock()
        self._coming = 0  # threads that wait for the laptop's program
        self._connections: set[Connection] = set()
        self._closed = False
        self._pump = Pump(lambda: False)

    def arrived(self, arrival: Arrival) -> None:
        """From the reader's thread, which must not wait for a program of the laptop."""
        with self._lock:
            full = self._closed or self._coming + len(self._connections) >= _MOST
            self._coming += not full
        work = arrival.refuse if full else lambda: self._connect(arrival)
        threading.Thread(target=work, name="gpuws-reverse", daemon=True).start()

    def _connect(self, arrival: Arrival) -> None:
        connection = None
        try:
            local = socket.create_connection((LOOPBACK, self.local_port), timeout=_PATIENCE)
            local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(local, self._pump, self._over)
        except OSError:
            arrival.refuse()
        with self._lock:
            self._coming -= 1
            if connection is not None:
                self._connections.add(connection)
        if connection is not None:
            self._pump.call(lambda: self._begin(connection, arrival))

    def _begin(self, connection: Connection, arrival: Arrival) -> None:
        if self._closed:
            arrival.refuse()
            connection.finish()
            return
        try:
            connection.begin(arrival.accept)
        except (GpuwsError, OSError, EOFError):
            connection.finish(reset=True)

    def _over(self, connection: Connection) -> None:
        if connection.was_lost:  # no other connection knows of it
            connection.finish(reset=True)
            return
        with self._lock:
            self._connections.discard(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            ending = tuple(self._connections)
        for connection in ending:
            with contextlib.suppress(OSError):
                connection.end_now()
        self._pump.call(self._end_all)
        self._pump.stop()

    def _end_all(self) -> None:
        with self._lock:
            ending = tuple(self._connections)
        for connection in ending:
            connection.finish()
