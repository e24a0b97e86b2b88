"""Channels that a host opens by itself: only for a port that it was asked to listen on."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from gpuws.errors import GpuwsError
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.ports import Arrival, Host
from gpuws.tunnel.reverse import Reverse
from tests.support.fake_server import Logins, LoginServer, Rules, listening
from tests.support.far_end import echo
from tests.support.near_end import eventually
from tests.support.people import Nobody

PORT = 3128  # as the host counts; nobody listens there, the server below only says so


class _Listens(Logins):
    """Agrees to listen on any port but the one after PORT."""

    def check_port_forward_request(self, address: str, port: int) -> int | bool:
        return port if port != PORT + 1 else False

    def cancel_port_forward_request(self, address: str, port: int) -> None: ...


class PushyServer(LoginServer):
    """``push`` opens a channel to the client that is there."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, Rules(needs=("publickey",)), port)
        self.clients: queue.Queue[paramiko.Transport] = queue.Queue()

    def serve(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(self.key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Listens(self.rules, self.user))
            self.clients.put(transport)


def push(client: paramiko.Transport, kind: str, address: str, port: int) -> paramiko.Channel:
    """Raises ChannelException where the client refuses."""
    return client.open_channel(kind, (address, port), ("127.0.0.1", 1), timeout=5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PushyServer]:
    servers: list[PushyServer] = []
    with listening(lambda sock: servers[0].serve(sock)) as port:
        servers.append(PushyServer(tmp_path / "server", port))
        servers[0].write_config()
        yield servers[0]


def logged_in(server: PushyServer) -> Host:
    return connect(resolve(server.alias, ssh_config=server.config), Nobody(), Nobody())


@contextlib.contextmanager
def leading_back() -> Iterator[Reverse]:
    """To an echo on the laptop."""

    def serve(sock: socket.socket) -> None:
        with sock:
            echo(sock)

    with listening(serve) as port:
        reverse = Reverse(port)
        try:
            yield reverse
        finally:
            reverse.close()


def test_a_channel_for_the_port_that_was_asked_for_reaches_the_laptop(server: PushyServer) -> None:
    with contextlib.closing(logged_in(server)) as host, leading_back() as reverse:
        host.lead_here(PORT, reverse.arrived)
        channel = push(server.clients.get(timeout=5), "forwarded-tcpip", "127.0.0.1", PORT)
        channel.settimeout(5)
        channel.sendall(b"hello")
        assert channel.recv(5) == b"hello"
        channel.shutdown_write()
        assert channel.recv(1) == b""


@pytest.mark.parametrize(
    ("kind", "address", "port"),
    [
        ("forwarded-tcpip", "127.0.0.1", PORT + 2),
        ("forwarded-tcpip", "0.0.0.0", PORT),
        ("direct-tcpip", "127.0.0.1", PORT),
        ("x11", "127.0.0.1", PORT),
    ],
)
def test_any_other_channel_is_refused_and_the_connection_goes_on(
    server: PushyServer, kind: str, address: str, port: int
) -> None:
    arrived: list[Arrival] = []
    with contextlib.closing(logged_in(server)) as host:
        host.lead_here(PORT, arrived.append)
        client = server.clients.get(timeout=5)
        with pytest.raises(paramiko.ChannelException) as caught:
            push(client, kind, address, port)
        assert caught.value.code == 1  # administratively prohibited
        assert arrived == []
        assert host.answers(5)


def test_after_lead_nowhere_it_is_refused_as_well(server: PushyServer) -> None:
    with contextlib.closing(logged_in(server)) as host, leading_back() as reverse:
        host.lead_here(PORT, reverse.arrived)
        host.lead_nowhere(PORT)
        with pytest.raises(paramiko.ChannelException):
            push(server.clients.get(timeout=5), "forwarded-tcpip", "127.0.0.1", PORT)


def test_a_refusal_is_told_and_meant_for_that_port_whatever_else_is_asked(
    server: PushyServer,
) -> None:
    """Pings are answered in the same row."""
    with contextlib.closing(logged_in(server)) as host:
        assert host.answers(5)
        with pytest.raises(GpuwsError, match=str(PORT + 1)) as caught:
            host.lead_here(PORT + 1, lambda _: None)
        assert caught.value.code == "forwarding-refused"
        assert host.answers(5)
        host.lead_here(PORT, lambda _: None)


def test_a_host_that_opens_without_end_is_refused_at_some_point(server: PushyServer) -> None:
    with contextlib.closing(logged_in(server)) as host, leading_back() as reverse:
        host.lead_here(PORT, reverse.arrived)
        client = server.clients.get(timeout=5)
        held: list[paramiko.Channel] = []
        with pytest.raises(paramiko.ChannelException):
            while len(held) < 1000:
                held.append(push(client, "forwarded-tcpip", "127.0.0.1", PORT))
        assert len(held) == 256
        held[0].close()
        assert eventually(lambda: comes_through(client, held))


def comes_through(client: paramiko.Transport, held: list[paramiko.Channel]) -> bool:
    """One more, kept."""
    with contextlib.suppress(paramiko.ChannelException):
        if len(held) == 256:
            held.append(push(client, "forwarded-tcpip", "127.0.0.1", PORT))
    return len(held) == 257
