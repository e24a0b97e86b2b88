"""A client for whom there is no flow: it waits for the next connection, or is refused."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from functools import partial

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.model import Target
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.connection import OpenFlow
from gpuws.tunnel.forward import Forward, open_forward
from tests.support.far_end import (
    answer_after_the_question,
    crowd_echo,
    echo,
    far_end,
    short_folder,
)
from tests.support.local_host import LocalHost
from tests.support.near_end import WANTED, carried, dial, eventually, local_host, read_all


def gone(sink: Sink) -> Flow:
    """A connection that is known to be gone."""
    raise GpuwsError("connection-lost", "the connection is gone")


class Dying:
    """A connection that dies before it has answered."""

    def __init__(self, sink: Sink) -> None:
        sink.lost()

    def room(self) -> int:
        return 0

    def send(self, data: bytes, /) -> None:
        raise EOFError

    def end(self) -> None:
        raise EOFError

    def drained(self, count: int, /) -> bool:
        return False

    def widen(self) -> None:
        raise EOFError

    def aim(self, sink: Sink, /) -> bool:
        return False

    def close(self) -> None:
        raise EOFError


def dying_at_once(sink: Sink) -> Flow:
    """It dies so early that both hear of it: who asks, and the sink."""
    sink.lost()
    raise EOFError


WITHOUT_A_CONNECTION = pytest.mark.parametrize("no_flow", [gone, Dying, dying_at_once])


@contextlib.contextmanager
def waiting(no_flow: OpenFlow, patience: float = 60.0) -> Iterator[Forward]:
    forward = open_forward(no_flow, wanted=WANTED, patience=patience)
    try:
        yield forward
    finally:
        forward.close()


@WITHOUT_A_CONNECTION
def test_what_a_waiting_client_said_arrives_once_and_in_order(no_flow: OpenFlow) -> None:
    met: list[socket.socket] = []

    def answer(sock: socket.socket) -> None:
        met.append(sock)
        answer_after_the_question(sock)

    with far_end(answer) as target, local_host() as host, waiting(no_flow) as forward:
        with dial(forward) as client:
            client.sendall(b"the first and ")
            assert eventually(lambda: forward.stats().waiting == 1)
            client.sendall(b"the second")
            client.shutdown(socket.SHUT_WR)
            stats = forward.stats()
            assert (stats.open, stats.total, stats.bytes_out) == (0, 1, 0)  # it is unread
            forward.retarget(partial(host.open_flow, target))
            assert read_all(client) == b"you asked: the first and the second"
        assert eventually(lambda: forward.stats().open == 0)
        assert (forward.stats().waiting, forward.stats().total) == (0, 1)
    assert len(met) == 1


@WITHOUT_A_CONNECTION
def test_a_host_that_speaks_first_speaks_once_to_one_that_waited(no_flow: OpenFlow) -> None:
    def greet(sock: socket.socket) -> None:
        sock.sendall(b"hello")

    with (
        far_end(greet) as target,
        local_host() as host,
        waiting(no_flow) as forward,
        dial(forward) as client,
    ):
        assert eventually(lambda: forward.stats().waiting == 1)
        forward.retarget(partial(host.open_flow, target))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"hello"


def test_many_wait_through_several_lost_connections_and_all_are_served() -> None:
    with crowd_echo() as target, local_host() as host, contextlib.ExitStack() as open_ones:
        forward = open_ones.enter_context(waiting(gone))
        clients = [open_ones.enter_context(dial(forward)) for _ in range(100)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)
        for no_flow in (Dying, gone, dying_at_once):
            assert eventually(lambda: forward.stats().waiting == 100)
            forward.retarget(no_flow)
        assert eventually(lambda: forward.stats().waiting == 100)
        forward.retarget(partial(host.open_flow, target))
        assert [read_all(client) for client in clients] == [b"%d" % n for n in range(100)]


@WITHOUT_A_CONNECTION
def test_one_that_waited_longer_than_patience_is_reset_and_forgotten(no_flow: OpenFlow) -> None:
    with waiting(no_flow, patience=0.3) as forward, dial(forward) as client:
        client.sendall(b"anybody there?")
        client.settimeout(5)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert eventually(lambda: forward.stats().waiting == 0)
        stats = forward.stats()
        assert (stats.open, stats.waiting, stats.total, stats.refused) == (0, 0, 1, 0)


@WITHOUT_A_CONNECTION
def test_patience_is_not_renewed_by_connections_that_die(no_flow: OpenFlow) -> None:
    with waiting(no_flow, patience=1.0) as forward, dial(forward) as client:
        client.settimeout(0.1)
        begin = time.monotonic()
        with pytest.raises(ConnectionResetError):
            while time.monotonic() < begin + 5:
                forward.retarget(no_flow)
                with contextlib.suppress(TimeoutError):
                    client.recv(1)
        assert 0.9 < time.monotonic() - begin < 3


def test_where_nothing_listens_any_more_the_one_that_waited_is_refused() -> None:
    with waiting(gone) as forward, local_host() as host, short_folder() as empty:
        with dial(forward) as client:
            assert eventually(lambda: forward.stats().waiting == 1)
            forward.retarget(partial(host.open_flow, Target(str(empty / "s"))))
            assert read_all(client) == b""
        assert eventually(lambda: forward.stats().refused == 1)


def test_a_connection_that_refuses_to_be_asked_refuses_the_one_that_waited() -> None:
    def refuse(sink: Sink) -> Flow:
        raise GpuwsError("forwarding-refused", "not here")

    with waiting(gone) as forward, dial(forward) as client:
        assert eventually(lambda: forward.stats().waiting == 1)
        forward.retarget(refuse)
        client.settimeout(5)
        assert read_all(client) == b""
        assert eventually(lambda: forward.stats().last_error == "not here")


def test_one_that_left_while_it_waited_is_not_in_the_way() -> None:
    with crowd_echo() as target, local_host() as host, waiting(gone) as forward:
        for left in range(10):
            dial(forward).close()
            assert eventually(lambda left=left: forward.stats().waiting == left + 1)  # type: ignore[misc]
        forward.retarget(partial(host.open_flow, target))
        with dial(forward) as client:
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
        assert eventually(lambda: forward.stats().open == 0)
        assert (forward.stats().waiting, forward.stats().total) == (0, 11)


@WITHOUT_A_CONNECTION
def test_close_ends_those_that_wait_at_once(no_flow: OpenFlow) -> None:
    with waiting(no_flow) as forward, contextlib.ExitStack() as open_ones:
        clients = [open_ones.enter_context(dial(forward)) for _ in range(20)]
        assert eventually(lambda: forward.stats().waiting == 20)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        assert [read_all(client) for client in clients] == [b""] * 20
        assert eventually(lambda: forward.stats().waiting == 0)
        assert (forward.stats().open, forward.stats().total) == (0, 20)


def test_a_refused_flow_closes_that_connection_only_and_is_counted() -> None:
    with (
        short_folder() as empty,
        local_host() as host,
        carried(host, Target(str(empty / "s"))) as forward,
    ):
        assert _refused_once(forward).startswith(f"nothing answers at {empty / 's'} on the host")
        _serves_again(forward, host)


def test_a_flow_that_cannot_even_be_asked_for_is_refused_as_well() -> None:
    def refuse(sink: Sink) -> Flow:
        raise GpuwsError("forwarding-refused", "nothing listens there")

    with waiting(refuse) as forward, local_host() as host:
        assert _refused_once(forward) == "nothing listens there"
        _serves_again(forward, host)


def _refused_once(forward: Forward) -> str:
    """What the forward says of it."""
    with dial(forward) as client:
        assert read_all(client) == b""
    assert eventually(lambda: forward.stats().open == 0)
    stats = forward.stats()
    assert (stats.refused, stats.total) == (1, 1)
    return stats.last_error


def _serves_again(forward: Forward, host: LocalHost) -> None:
    with far_end(echo) as target:
        forward.retarget(partial(host.open_flow, target))  # the far end came back
        with dial(forward) as client:
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
