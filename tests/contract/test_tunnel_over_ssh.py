"""The forward over a real OpenSSH server: what it carries, and what happens when SSH breaks."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from gpuws.tunnel.forward import Forward, open_forward
from tests.support.far_end import (
    answer_after_the_question,
    crowd_echo,
    digest,
    echo,
    far_end,
    random_bytes,
    short_folder,
)
from tests.support.people import Nobody
from tests.support.sshd import Sshd, running_sshd


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with short_folder() as folder, running_sshd(folder / "d") as sshd:
        yield sshd


@pytest.fixture
def host(server: Sshd) -> Iterator[Host]:
    one = log_in(server)
    yield one
    one.close()


def log_in(server: Sshd) -> Host:
    return connect(resolve(server.alias, ssh_config=server.config), Nobody(), Nobody())


@contextlib.contextmanager
def carried(host: Host, target: Target) -> Iterator[Forward]:
    forward = open_forward(lambda sink: host.open_flow(target, sink), wanted=30000)
    try:
        yield forward
    finally:
        forward.close()


def dial(forward: Forward) -> socket.socket:
    return socket.create_connection(("127.0.0.1", forward.local_port), timeout=20)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def eventually_open(forward: Forward, count: int) -> None:
    deadline = time.monotonic() + 10
    while forward.stats().open != count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert forward.stats().open == count


def test_half_close_works_both_ways(host: Host) -> None:
    def greet_then_listen(sock: socket.socket) -> None:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))

    heard: list[bytes] = []
    answerer = far_end(answer_after_the_question)
    with answerer as target, carried(host, target) as forward, dial(forward) as client:
        client.sendall(b"why?")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"you asked: why?"
    greeter = far_end(greet_then_listen)
    with greeter as target, carried(host, target) as forward, dial(forward) as client:
        assert read_all(client) == b"hello"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        eventually_open(forward, 0)
    assert heard == [b"still here"]


def test_fifty_megabytes_arrive_whole_in_both_directions_at_once(host: Host) -> None:
    data = random_bytes(50_000_000)
    with far_end(echo) as target, carried(host, target) as forward, dial(forward) as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = hashlib.sha256(read_all(client)).digest()
        sender.join()
        assert received == hashlib.sha256(data).digest()
        eventually_open(forward, 0)


def test_an_upload_is_what_the_server_gets(host: Host) -> None:
    data = random_bytes(20_000_000)
    with far_end(digest) as target, carried(host, target) as forward, dial(forward) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(data).hexdigest()


def test_a_tcp_port_of_the_host_is_as_good_a_target(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        target = Target(port=service.getsockname()[1])
        with carried(host, target) as forward, dial(forward) as client:
            far, _ = service.accept()
            with far:
                client.sendall(b"ping")
                assert far.recv(4) == b"ping"
                far.sendall(b"pong")
                assert client.recv(4) == b"pong"


def test_five_hundred_connections_share_one_login(host: Host, server: Sshd) -> None:
    logins = server.accepted()
    with crowd_echo() as target, carried(host, target) as forward, contextlib.ExitStack() as all_:
        clients = [all_.enter_context(dial(forward)) for _ in range(500)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)
        assert [read_all(client) for client in clients] == [b"%d" % n for n in range(500)]
        eventually_open(forward, 0)
    assert server.accepted() == logins


def test_a_reader_that_stalls_does_not_grow_memory(host: Host) -> None:
    sent = [0]

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(bytes(1 << 20))
            sent[0] += 1

    with far_end(flood) as target, carried(host, target) as forward, dial(forward) as client:
        client.recv(1)
        before = psutil.Process().memory_info().rss
        last = -1
        while sent[0] != last:
            last = sent[0]
            time.sleep(0.5)
        assert psutil.Process().memory_info().rss - before < 12 << 20  # a window and its copies
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2


def test_a_service_that_stops_and_returns_is_reached_again(host: Host) -> None:
    with short_folder() as folder:
        target = Target(str(folder / "s"))
        with carried(host, target) as forward:
            for _ in range(2):
                with dial(forward) as client:
                    assert client.recv(1) == b""  # refused as ssh -L refuses: closed
                with far_end(echo) as service:
                    Path(service.socket).rename(target.socket)
                    with dial(forward) as client:
                        client.sendall(b"hi")
                        assert client.recv(2) == b"hi"
                Path(target.socket).unlink()
            stats = forward.stats()
            assert (stats.refused, stats.total) == (2, 4)
            assert target.socket in stats.last_error


def test_close_is_quick_with_transfers_under_way(host: Host) -> None:
    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(bytes(1 << 16))

    with far_end(flood) as target, contextlib.ExitStack() as open_ones:
        forward = open_forward(lambda sink: host.open_flow(target, sink), wanted=30000)
        clients = [open_ones.enter_context(dial(forward)) for _ in range(20)]
        for client in clients:
            client.recv(1)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        eventually_open(forward, 0)


def test_a_download_cut_with_the_connection_is_a_reset_and_the_port_stays(server: Sshd) -> None:
    def half(sock: socket.socket) -> None:
        sock.sendall(b"the first half")
        sock.recv(1)

    host = log_in(server)
    with far_end(half) as target, carried(host, target) as forward:
        with dial(forward) as client:
            assert client.recv(14) == b"the first half"
            host.close()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with dial(forward) as client:
            assert client.recv(1) == b""
        port = forward.local_port
        again = log_in(server)
        forward.retarget(lambda sink: again.open_flow(target, sink))
        with dial(forward) as client:
            assert client.recv(14) == b"the first half"
        assert forward.local_port == port
        again.close()
