"""A forward is as faithful as a wire. The far end is a Unix socket, reached without SSH."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from gpuws.host.openssh.sockets import WINDOW
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel.forward import open_forward
from tests.support.far_end import (
    answer_after_the_question,
    digest,
    echo,
    far_end,
    random_bytes,
)
from tests.support.near_end import (
    WANTED,
    carried,
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
