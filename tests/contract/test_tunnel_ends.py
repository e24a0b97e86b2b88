"""How a forward and its connections end, and what the client sees of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from gpuws.plan.ports import Sink
from gpuws.tunnel.connection import OpenFlow
from gpuws.tunnel.forward import Forward, open_forward
from gpuws.tunnel.listener import Listener
from tests.support.far_end import echo, far_end
from tests.support.near_end import (
    WANTED,
    carried,
    dial,
    eventually,
    forward_to,
    local_host,
    read_all,
)


@contextlib.contextmanager
def opened(open_flow: OpenFlow) -> Iterator[Forward]:
    forward = open_forward(open_flow, wanted=WANTED)
    try:
        yield forward
    finally:
        forward.close()


def test_close_is_quick_with_connections_open_and_ends_them() -> None:
    met: list[socket.socket] = []
    ended: list[socket.socket] = []

    def wait_for_the_end(sock: socket.socket) -> None:
        met.append(sock)
        sock.recv(1)
        ended.append(sock)

    with (
        far_end(wait_for_the_end) as target,
        forward_to(target) as forward,
        contextlib.ExitStack() as open_ones,
    ):
        clients = [open_ones.enter_context(dial(forward)) for _ in range(50)]
        assert eventually(lambda: len(met) == 50)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        assert [read_all(client) for client in clients] == [b""] * 50
        assert eventually(lambda: len(ended) == 50)
        with pytest.raises(ConnectionRefusedError):
            dial(forward)
        assert eventually(lambda: forward.stats().open == 0)
        forward.close()  # a second time does nothing


def test_a_client_that_is_accepted_while_the_forward_closes_is_not_left_hanging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Listener.stop

    def stop_late(self: Listener, force: bool = False) -> None:
        late.append(dial(forward))
        time.sleep(0.3)  # it is accepted
        stop(self, force)

    late: list[socket.socket] = []
    with far_end(echo) as target, forward_to(target) as forward:
        monkeypatch.setattr(Listener, "stop", stop_late)
        forward.close()
        monkeypatch.undo()
        with late[0] as client:
            client.settimeout(5)
            assert client.recv(1) == b""
        assert eventually(lambda: forward.stats().open == 0)


def test_close_ends_an_upload_that_the_far_end_does_not_read() -> None:
    let_go = threading.Event()

    def never_read(sock: socket.socket) -> None:
        let_go.wait(10)

    with far_end(never_read) as target, forward_to(target) as forward:
        with dial(forward) as client:
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.sendall(bytes(64 << 20))
            forward.close()
            assert eventually(lambda: forward.stats().open == 0, 2)
        let_go.set()


class Stuck:
    """A flow whose network takes nothing and never ends."""

    let_go = threading.Event()

    def __init__(self, sink: Sink) -> None:
        sink.opened()

    def room(self) -> int:
        return 1 << 15

    def send(self, data: bytes, /) -> None:
        self.let_go.wait()

    def end(self) -> None:
        self.let_go.wait()

    def drained(self, count: int, /) -> bool:
        return False

    def widen(self) -> None:
        self.let_go.wait()

    def aim(self, sink: Sink, /) -> bool:
        return False

    def close(self) -> None:
        self.let_go.wait()


def test_close_does_not_wait_for_a_network_that_hangs() -> None:
    with opened(Stuck) as forward, dial(forward) as client:
        client.sendall(b"x")
        assert eventually(lambda: forward.stats().open == 1)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        assert read_all(client) == b""
    Stuck.let_go.set()
    assert eventually(lambda: forward.stats().open == 0)


class Faulty(Stuck):
    """A flow with a bug of ours."""

    asked = threading.Event()

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self.asked.set()

    def send(self, data: bytes, /) -> None:
        raise ZeroDivisionError

    def aim(self, sink: Sink, /) -> bool:
        return False

    def close(self) -> None:
        return None


def test_a_fault_in_one_connection_ends_that_one_alone() -> None:
    with (
        opened(Faulty) as forward,
        far_end(echo) as target,
        local_host() as host,
        dial(forward) as bad,
    ):
        assert Faulty.asked.wait(5)
        forward.retarget(partial(host.open_flow, target))
        with dial(forward) as good:
            good.sendall(b"before")
            assert good.recv(6) == b"before"
            bad.sendall(b"x")
            bad.settimeout(5)
            with pytest.raises(ConnectionResetError):
                bad.recv(1)
            good.sendall(b"after")
            assert good.recv(5) == b"after"
            assert forward.stats().open == 1


def test_a_download_that_breaks_is_a_reset_and_not_an_end() -> None:
    def half(sock: socket.socket) -> None:
        sock.sendall(b"the first half")
        sock.recv(1)

    with far_end(half) as target, local_host() as host, carried(host, target) as forward:
        with dial(forward) as client:
            assert client.recv(14) == b"the first half"
            host.close()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert eventually(lambda: forward.stats().open == 0)


def test_a_client_that_resets_frees_its_flow() -> None:
    ended = threading.Event()

    def until_the_end(sock: socket.socket) -> None:
        sock.sendall(b"welcome")
        with contextlib.suppress(OSError):
            while sock.recv(1):
                pass
        ended.set()

    with far_end(until_the_end) as target, forward_to(target) as forward:
        client = dial(forward)
        client.recv(1)  # and leave the rest unread: close() is a reset then
        client.close()
        assert ended.wait(5)
        assert eventually(lambda: forward.stats().open == 0)


def test_a_client_that_ended_and_then_leaves_frees_a_flow_that_floods() -> None:
    ended = threading.Event()

    def flood(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(bytes(1 << 16))
        ended.set()

    with far_end(flood) as target, forward_to(target) as forward:
        with dial(forward) as client:
            client.shutdown(socket.SHUT_WR)  # from here on only writing to it can tell
            client.recv(1)
        assert ended.wait(5)
        assert eventually(lambda: forward.stats().open == 0)
