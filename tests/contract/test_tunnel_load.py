"""Many connections, and ends that do not read: what they cost. Without SSH."""

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
    crowd_echo,
    digest,
    echo,
    far_end,
    random_bytes,
)
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


def test_an_upload_that_the_far_end_does_not_read_waits_without_working() -> None:
    let_go = threading.Event()

    def read_late(sock: socket.socket) -> None:
        let_go.wait(20)
        digest(sock)

    data = random_bytes(32 << 20)
    with far_end(read_late) as target, forward_to(target) as forward, dial(forward) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        held_back(lambda: forward.stats().bytes_out)
        assert forward.stats().bytes_out < len(data)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.2
        let_go.set()
        sender.join()
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(data).hexdigest()


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
