"""A firewall that forgets a connection on which nothing passes for some seconds."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class IdleCut:
    """``cuts``: connections that were silent for too long."""

    port: int = 0
    cuts: int = 0

    def serve(self, listener: socket.socket, port: int, seconds: float) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                words = (near, far, seconds)
                threading.Thread(target=self._carry, args=words, daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket, seconds: float) -> None:
        ends = {near: far, far: near}
        with near, far, contextlib.suppress(OSError):
            while ready := select.select(ends, (), (), seconds)[0]:
                for end in ready:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    ends[end].sendall(data)
            self.cuts += 1


@contextlib.contextmanager
def idle_cut(port: int, seconds: float) -> Iterator[IdleCut]:
    """In front of this port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cut = IdleCut(listener.getsockname()[1])
        threading.Thread(target=cut.serve, args=(listener, port, seconds), daemon=True).start()
        try:
            yield cut
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
