"""How much of a download is on its way: enough for the distance, and never more than allowed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpuws.host.connect import connect
from gpuws.host.flow import BUDGET, FIRST, FIRST_FAR, WIDEST, ChannelFlow
from gpuws.host.profile import resolve
from gpuws.plan.model import Target
from gpuws.plan.ports import Flow, Host, Sink
from gpuws.tunnel.forward import open_forward
from tests.support.far_end import echo, far_end, random_bytes, short_folder
from tests.support.fault_proxy import FaultProxy
from tests.support.lying_server import lying_server
from tests.support.near_end import WANTED, carried, dial, eventually, held_back, log_in, read_all
from tests.support.people import Nobody
from tests.support.sshd import Sshd, running_sshd

SIZE = 40 << 20  # bytes of a download


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with short_folder() as folder, running_sshd(folder / "d") as sshd:
        yield sshd


class Asked:
    """The flows that a forward asked for, in that order."""

    def __init__(self, host: Host, target: Target) -> None:
        self._host = host
        self._target = target
        self.flows: list[ChannelFlow] = []
        self.began: list[int] = []  # bytes: each one's window when it was asked for

    def __call__(self, sink: Sink) -> Flow:
        flow = self._host.open_flow(self._target, sink)
        assert isinstance(flow, ChannelFlow)
        self.flows.append(flow)
        self.began.append(flow.window)
        return flow


@functools.cache
def data() -> bytes:
    return random_bytes(SIZE)


def send_all(sock: socket.socket) -> None:
    if sock.recv(1):
        sock.sendall(data())


def downloads(asked: Asked, count: int) -> None:
    """One after another, through one forward."""
    forward = open_forward(asked, wanted=WANTED)
    for _ in range(count):
        with dial(forward) as client:
            client.sendall(b"!")
            assert hashlib.sha256(read_all(client)).digest() == hashlib.sha256(data()).digest()
    forward.close()


def test_on_loopback_the_window_stays_as_it_began(server: Sshd) -> None:
    with contextlib.closing(log_in(server)) as host, far_end(echo) as near:
        with carried(host, near) as forward:
            for _ in range(50):  # so that the round trip is known, on a busy machine too
                with dial(forward) as client:
                    client.sendall(b"x")
                    assert client.recv(1) == b"x"
        with far_end(send_all) as target:
            asked = Asked(host, target)
            downloads(asked, 3)
    assert [flow.window for flow in asked.flows] == [FIRST] * 3


def test_at_a_hundred_milliseconds_the_window_grows_with_the_distance(server: Sshd) -> None:
    with (
        FaultProxy(("127.0.0.1", server.port), delay=0.05) as proxy,
        contextlib.closing(log_in(server, proxy.port)) as host,
        far_end(send_all) as target,
    ):
        asked = Asked(host, target)
        begin = time.monotonic()
        downloads(asked, 2)
        took = time.monotonic() - begin
    first, second = (flow.window for flow in asked.flows)
    assert FIRST < FIRST_FAR < first <= WIDEST
    assert FIRST_FAR < second <= WIDEST
    assert took < 2 * SIZE / FIRST * 0.1  # what it takes with the window of the beginning


def test_refused_connections_take_nothing_from_the_windows_of_others(server: Sshd) -> None:
    with (
        contextlib.closing(log_in(server)) as host,
        short_folder() as empty,
        far_end(send_all) as target,
    ):
        with carried(host, Target(str(empty / "s"))) as forward:
            for _ in range(100):
                with dial(forward) as client:
                    assert client.recv(1) == b""
            assert eventually(lambda: forward.stats().refused == 100)
        asked = Asked(host, target)
        downloads(asked, 1)
    assert asked.began == [FIRST]


def test_a_reader_that_stalls_does_not_grow_memory(server: Sshd) -> None:
    sent = [0]

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(bytes(1 << 20))
            sent[0] += 1

    with (
        contextlib.closing(log_in(server)) as host,
        far_end(flood) as target,
        carried(host, target) as forward,
        dial(forward) as client,
    ):
        client.recv(1)
        before = psutil.Process().memory_info().rss
        held_back(lambda: sent[0])
        assert psutil.Process().memory_info().rss - before < 12 << 20  # a window and its copies
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2


def test_many_stalled_readers_stay_within_the_budget_and_give_it_back(server: Sshd) -> None:
    sent = [0]
    block = bytes(1 << 16)

    def flood(sock: socket.socket) -> None:
        while True:
            sock.sendall(block)
            sent[0] += len(block)

    with (
        contextlib.closing(log_in(server)) as host,
        far_end(flood) as target,
        contextlib.ExitStack() as open_ones,
    ):
        asked = Asked(host, target)
        forward = open_forward(asked, wanted=WANTED)
        before = psutil.Process().memory_info().rss
        for _ in range(30):
            client = open_ones.enter_context(dial(forward))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        held_back(lambda: sent[0])
        assert len(asked.flows) == 30
        assert BUDGET / 2 < sum(flow.window for flow in asked.flows) <= BUDGET
        grown = psutil.Process().memory_info().rss - before
        assert grown < BUDGET + (16 << 20)  # the flood's own threads are in it
        forward.close()
        assert eventually(lambda: forward.stats().open == 0)
        with far_end(send_all) as other:
            later = Asked(host, other)
            downloads(later, 1)
    assert later.began[0] >= FIRST


def test_a_server_that_sends_more_than_it_was_let_loses_that_connection_alone(
    short_tmp: Path,
) -> None:
    with (
        lying_server(short_tmp / "l") as server,
        contextlib.closing(
            connect(resolve(server.alias, ssh_config=server.config), Nobody(), Nobody())
        ) as host,
        carried(host, Target(port=9)) as forward,
        dial(forward) as flooded,
    ):
        flooded.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        assert eventually(lambda: forward.stats().open == 1)
        time.sleep(0.2)  # it is the server's first channel now
        before = psutil.Process().memory_info().rss
        with dial(forward) as good:
            assert eventually(lambda: forward.stats().open == 2)
            good.sendall(b"!")  # the flood begins, and nobody reads it
            assert eventually(lambda: forward.stats().open == 1)
            assert psutil.Process().memory_info().rss - before < 16 << 20
            with pytest.raises(ConnectionResetError):
                read_all(flooded)
            good.sendall(b"still here")
            assert good.recv(10) == b"still here"
