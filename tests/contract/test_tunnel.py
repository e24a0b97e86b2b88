"""A forward is as faithful as a wire. The far end is a Unix socket, reached without SSH."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import psutil
import pytest

from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.forward import open_forward
from tests.support.far_end import (
    answer_after_the_question,
    crowd_echo,
    digest,
    echo,
    far_end,
    random_bytes,
)
from tests.support.local_flow import WINDOW
from tests.support.near_end import (
    WANTED,
    carried,
    crowd,
    dial,
    eventually,
    forward_to,
    held_back,
    local_host,
    read_all,
)


def test_the_client_ends_its_question_and_still_gets_the_answer() -> None:
    question = far_end(answer_after_the_question)
    with question as target, forward_to(target) as forward, dial(forward) as client:
        client.sendall(b"why?")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"you asked: why?"


def test_the_server_ends_its_greeting_and_still_hears_the_client() -> None:
    heard: list[bytes] = []
    done = threading.Event()

    def greet_then_listen(sock: socket.socket) -> None:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        heard.append(read_all(sock))
        done.set()

    greeter = far_end(greet_then_listen)
    with greeter as target, forward_to(target) as forward, dial(forward) as client:
        assert read_all(client) == b"hello"
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        assert done.wait(5)
    assert heard == [b"still here"]


def test_fifty_megabytes_arrive_whole_in_both_directions_at_once() -> None:
    data = random_bytes(50_000_000)
    received = hashlib.sha256()
    with far_end(echo) as target, forward_to(target) as forward, dial(forward) as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        while chunk := client.recv(1 << 20):
            received.update(chunk)
        sender.join()
        assert received.digest() == hashlib.sha256(data).digest()
        assert eventually(lambda: forward.stats().open == 0)
        stats = forward.stats()
        assert (stats.total, stats.bytes_in, stats.bytes_out) == (1, len(data), len(data))


def test_an_upload_is_what_the_server_gets() -> None:
    data = random_bytes(50_000_000)
    with far_end(digest) as target, forward_to(target) as forward, dial(forward) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(data).hexdigest()


def test_single_bytes_cross_without_waiting_for_more() -> None:
    with far_end(echo) as target, forward_to(target) as forward, dial(forward) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.monotonic()
        for number in range(300):
            client.sendall(bytes([number % 256]))
            assert client.recv(10) == bytes([number % 256])
        # Nagle's algorithm with delayed acknowledgements would cost 40 ms each
        assert time.monotonic() - begin < 300 * 0.02


def test_a_host_that_speaks_before_the_forward_knows_its_flow_is_heard_to_the_end() -> None:
    """Its whole window may be used up by then: nobody but the forward can open it again."""
    data = random_bytes(3 * WINDOW)
    sent = [0]

    def speak(sock: socket.socket) -> None:
        for at in range(0, len(data), 4096):
            sock.sendall(data[at : at + 4096])
            sent[0] += 4096

    with far_end(speak) as target, local_host() as host:

        def open_slowly(sink: Sink) -> Flow:
            flow = host.open_flow(target, sink)
            assert held_back(lambda: sent[0]) >= WINDOW
            return flow

        forward = open_forward(open_slowly, wanted=WANTED)
        with dial(forward) as client:
            client.settimeout(10)
            assert hashlib.sha256(read_all(client)).digest() == hashlib.sha256(data).digest()
        forward.close()


def test_a_thousand_connections_are_carried_at_the_same_time() -> None:
    count = min(1000, (_descriptors() - 300) // 4)  # client, two ends here, far end
    if count < 300:
        pytest.skip(f"only {_descriptors()} descriptors a process")
    before = threading.active_count()
    with crowd_echo() as target, forward_to(target) as forward:
        assert asyncio.run(crowd(forward, count)) == count
        assert eventually(lambda: forward.stats().open == 0)
        assert forward.stats().total == count
    assert eventually(lambda: threading.active_count() <= before)


def _descriptors() -> int:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)


def test_threads_do_not_grow_with_connections_and_nothing_is_left_of_them() -> None:
    with crowd_echo() as target, local_host() as host:
        _ask_once(partial(host.open_flow, target))
        process = psutil.Process()
        descriptors, threads = process.num_fds(), threading.active_count()
        with carried(host, target) as forward:
            clients = [dial(forward) for _ in range(100)]
            assert eventually(lambda: forward.stats().open == 100)
            assert threading.active_count() == threads + 2  # the listener's and the pump's
            for client in clients:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                client.close()
            assert eventually(lambda: forward.stats().open == 0)
        assert eventually(lambda: threading.active_count() == threads)
        assert eventually(lambda: process.num_fds() <= descriptors)


def _ask_once(open_flow: Callable[[Sink], Flow]) -> None:
    """What a first connection makes and keeps is there before anything is counted."""
    forward = open_forward(open_flow, wanted=WANTED)
    with dial(forward) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    assert eventually(lambda: forward.stats().open == 0)
    forward.close()
    time.sleep(0.2)  # its threads are on their way out


def test_a_reader_that_stalls_holds_the_sender_back_instead_of_growing_memory() -> None:
    sent = [0]

    def flood(sock: socket.socket) -> None:
        block = bytes(1 << 20)
        for _ in range(400):
            sock.sendall(block)
            sent[0] += len(block)

    with far_end(flood) as target, forward_to(target) as forward, dial(forward) as client:
        client.recv(1)
        before = psutil.Process().memory_info().rss
        held_back(lambda: sent[0])
        assert sent[0] < 40 << 20  # what fits into the kernel's own buffers
        assert psutil.Process().memory_info().rss - before < 4 << 20
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        received = 1
        while chunk := client.recv(1 << 20):
            received += len(chunk)
        assert received == 400 << 20


def test_a_stalled_client_does_not_hold_the_others_back() -> None:
    def flood_or_echo(sock: socket.socket) -> None:
        if sock.recv(1) == b"f":
            while True:
                sock.sendall(bytes(1 << 20))
        sock.sendall(b"e")

    with (
        far_end(flood_or_echo) as target,
        forward_to(target) as forward,
        dial(forward) as stalled,
        dial(forward) as quick,
    ):
        stalled.sendall(b"f")
        time.sleep(0.3)
        quick.sendall(b"e")
        assert quick.recv(1) == b"e"


def test_a_new_target_serves_new_connections_and_leaves_the_open_ones() -> None:
    def named(name: bytes) -> Callable[[socket.socket], None]:
        def say(sock: socket.socket) -> None:
            while sock.recv(1):
                sock.sendall(name)

        return say

    with (
        far_end(named(b"old")) as old,
        far_end(named(b"new")) as new,
        local_host() as host,
        carried(host, old) as forward,
        dial(forward) as first,
    ):
        first.sendall(b"?")
        assert first.recv(3) == b"old"
        port = forward.local_port
        forward.retarget(partial(host.open_flow, new))
        with dial(forward) as second:
            second.sendall(b"?")
            assert second.recv(3) == b"new"
        first.sendall(b"?")
        assert first.recv(3) == b"old"
        assert forward.local_port == port


def test_the_sums_count_every_connection_while_it_lives_and_after() -> None:
    with far_end(echo) as target, forward_to(target) as forward:
        for size in (3, 5):
            with dial(forward) as client:
                client.sendall(bytes(size))
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == bytes(size)
        assert eventually(lambda: forward.stats().open == 0)
        with dial(forward) as client:
            client.sendall(bytes(7))
            assert client.recv(7, socket.MSG_WAITALL) == bytes(7)
            assert eventually(lambda: forward.stats().bytes_in == 15)
            stats = forward.stats()
    assert (stats.open, stats.waiting, stats.total) == (1, 0, 3)
    assert (stats.bytes_in, stats.bytes_out) == (15, 15)
    assert (stats.refused, stats.last_error) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="no descriptors to run out of")
def test_the_listener_survives_running_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = socket.socket.accept, iter(range(3))

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(self)

    with far_end(echo) as target, forward_to(target) as forward:
        # the far end accepts too, so it is left alone: only TCP listeners are made to fail
        monkeypatch.setattr(
            socket.socket,
            "accept",
            lambda self: (accept if self.family == socket.AF_INET else real)(self),
        )
        with dial(forward) as client:
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
