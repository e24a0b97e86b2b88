"""An SSH server that forwards anything, and on some channels sends more than it was let."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko

from tests.support.fake_server import Logins, LoginServer, Rules, listening


class _Forwards(Logins):
    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        return paramiko.common.OPEN_SUCCEEDED


class LyingServer(LoginServer):
    """Its first channel is flooded whatever the client lets it send; the others are echoes."""

    def serve(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(self.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Forwards(self.rules, self.user))
            flooded = transport.accept(20)
            echo = transport.accept(20)
            if flooded and echo:
                self._play(flooded, echo)
        transport.close()

    def _play(self, flooded: paramiko.Channel, echo: paramiko.Channel) -> None:
        """The echo is asked for when the flood was cut off."""
        echo.recv(1)
        flooded.out_window_size = 1 << 40  # paramiko's own count of what it may send
        with contextlib.suppress(OSError):  # the client closes it
            for _ in range(16 << 20 >> 15):
                flooded.sendall(bytes(1 << 15))
        while data := echo.recv(1024):
            echo.sendall(data)


@contextlib.contextmanager
def lying_server(folder: Path) -> Iterator[LyingServer]:
    servers: list[LyingServer] = []
    with listening(lambda sock: servers[0].serve(sock)) as port:
        servers.append(LyingServer(folder, Rules(needs=("publickey",)), port))
        servers[0].write_config()
        yield servers[0]
