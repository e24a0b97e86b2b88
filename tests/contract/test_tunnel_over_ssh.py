"""The forward over a real OpenSSH server, one that forwards and one that does not, where a bridge
does: what it carries, and what happens when SSH breaks."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.host.bridge.bridged import bridged_where_needed
from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from tests.support.far_end import (
    answer_after_the_question,
    crowd_echo,
    digest,
    echo,
    far_end,
    random_bytes,
    short_folder,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.near_end import (
    burst,
    carried,
    crowd,
    dial,
    eventually,
    log_in,
    read_all,
)
from tests.support.person import Ear
from tests.support.sshd import Sshd, running_sshd

FORBIDDING = ("DisableForwarding yes", "MaxSessions 1")
WAYS = {
    "paramiko": ("paramiko", ()),
    "openssh": ("openssh", ()),
    "bridged": ("paramiko", FORBIDDING),
}
pytestmark = [
    pytest.mark.usefixtures("transport"),
    pytest.mark.parametrize(
        ("transport", "server"), WAYS.values(), ids=WAYS, indirect=True, scope="module"
    ),
]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Sshd]:
    with short_folder() as folder, running_sshd(folder / "d", request.param) as sshd:
        yield sshd


def reached(server: Sshd, port: int = 0) -> Host:
    """Through a bridge where it forwards nothing, which has been used once."""
    host = bridged_where_needed(log_in(server, port), "stdio", "", Ear())
    with pytest.raises(GpuwsError):
        host.open_stream(Target(socket="/none"))
    return host


@pytest.fixture
def host(server: Sshd) -> Iterator[Host]:
    one = reached(server)
    yield one
    one.close()


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
        assert eventually(lambda: forward.stats().open == 0)
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
        assert eventually(lambda: forward.stats().open == 0)


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


def test_a_thousand_connections_share_one_login_and_no_thread_is_theirs(
    host: Host, server: Sshd
) -> None:
    logins, threads = server.accepted(), threading.active_count()
    with crowd_echo() as target, carried(host, target) as forward:
        with thread_counts() as counts:
            assert asyncio.run(crowd(forward, 1000)) == 1000
        assert max(counts) <= threads + 8  # listener, pump, far end, who counts, and some to spare
        assert eventually(lambda: forward.stats().open == 0)
        assert forward.stats().total == 1000
    assert server.accepted() == logins
    assert eventually(lambda: threading.active_count() <= threads)


@contextlib.contextmanager
def thread_counts() -> Iterator[list[int]]:
    """How many threads there are, again and again until the block ends."""
    over, counts = threading.Event(), [threading.active_count()]

    def count() -> None:
        while not over.wait(0.005):
            counts.append(threading.active_count())

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    yield counts
    over.set()
    thread.join()


def test_a_burst_of_five_thousand_short_connections_is_served_and_leaves_nothing(
    host: Host,
) -> None:
    process = psutil.Process()
    with crowd_echo() as target, carried(host, target) as forward:
        assert asyncio.run(burst(forward, 200, 200)) == 200
        assert eventually(lambda: forward.stats().open == 0)
        descriptors, memory = process.num_fds(), process.memory_info().rss
        assert asyncio.run(burst(forward, 5000, 200)) == 5000
        assert eventually(lambda: forward.stats().open == 0)
        assert eventually(lambda: process.num_fds() <= descriptors)
        assert process.memory_info().rss - memory < 30 << 20
        assert (forward.stats().total, forward.stats().refused) == (5200, 0)


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
            assert eventually(lambda: forward.stats().open == 0)
            stats = forward.stats()
            assert (stats.refused, stats.total) == (2, 4)
            assert target.socket in stats.last_error


def test_close_is_quick_with_transfers_under_way(host: Host) -> None:
    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(bytes(1 << 16))

    with (
        far_end(flood) as target,
        carried(host, target) as forward,
        contextlib.ExitStack() as open_ones,
    ):
        clients = [open_ones.enter_context(dial(forward)) for _ in range(20)]
        for client in clients:
            client.recv(1)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        assert eventually(lambda: forward.stats().open == 0)


def test_a_download_cut_with_the_connection_is_a_reset_and_the_port_stays(server: Sshd) -> None:
    def half(sock: socket.socket) -> None:
        sock.sendall(b"the first half")
        sock.recv(1)

    host = reached(server)
    with far_end(half) as target, carried(host, target) as forward:
        with dial(forward) as client:
            assert client.recv(14) == b"the first half"
            host.close()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        port = forward.local_port
        with dial(forward) as patient:  # it comes while there is no connection
            assert eventually(lambda: forward.stats().waiting == 1)
            again = reached(server)
            forward.retarget(partial(again.open_flow, target))
            assert patient.recv(14) == b"the first half"
        with dial(forward) as client:
            assert client.recv(14) == b"the first half"
        assert forward.local_port == port
        again.close()


def test_a_flow_asked_for_on_a_connection_that_dies_is_asked_for_on_the_next(server: Sshd) -> None:
    met: list[socket.socket] = []

    def answer(sock: socket.socket) -> None:
        met.append(sock)
        answer_after_the_question(sock)

    with (
        far_end(answer) as target,
        FaultProxy(("127.0.0.1", server.port)) as proxy,
        contextlib.closing(reached(server, proxy.port)) as host,
        carried(host, target) as forward,
        dial(forward) as early,
    ):
        early.shutdown(socket.SHUT_WR)
        assert read_all(early) == b"you asked: "
        proxy.stalled = True  # from now on nothing comes back
        with dial(forward) as client:
            client.sendall(b"are you ")
            assert eventually(lambda: forward.stats().open == 1)
            time.sleep(0.2)
            assert forward.stats().bytes_out == 0
            proxy.reset()
            assert eventually(lambda: forward.stats().waiting == 1)
            client.sendall(b"there?")
            client.shutdown(socket.SHUT_WR)
            with contextlib.closing(reached(server)) as again:
                forward.retarget(partial(again.open_flow, target))
                assert read_all(client) == b"you asked: are you there?"
    assert len(met) == 2
