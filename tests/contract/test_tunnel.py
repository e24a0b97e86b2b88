"""A forward is as faithful as a wire. The far end is a Unix socket, reached without SSH."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.model import Target
from gpuws.plan.ports import Stream
from gpuws.tunnel.forward import Forward, open_forward
from tests.support.far_end import (
    answer_after_the_question,
    crowd_echo,
    digest,
    echo,
    far_end,
    random_bytes,
)
from tests.support.local_host import LocalHost


def to(target: Target) -> Callable[[], Stream]:
    return lambda: LocalHost(Path("/")).open_stream(target)


@contextlib.contextmanager
def forward_to(target: Target) -> Iterator[Forward]:
    forward = open_forward(to(target), wanted=20000 + os.getpid() % 20000)
    try:
        yield forward
    finally:
        forward.close()


def dial(forward: Forward) -> socket.socket:
    return socket.create_connection(("127.0.0.1", forward.local_port), timeout=10)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


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


def test_a_thousand_connections_are_carried_at_the_same_time() -> None:
    count = min(1000, (_descriptors() - 300) // 4)  # client, two ends here, far end
    if count < 300:
        pytest.skip(f"only {_descriptors()} descriptors a process")
    before = threading.active_count()
    with crowd_echo() as target, forward_to(target) as forward:
        assert asyncio.run(_crowd(forward, count)) == count
        assert eventually(lambda: forward.stats().open == 0)
        assert forward.stats().total == count
    assert eventually(lambda: threading.active_count() <= before + 1)


async def _crowd(forward: Forward, count: int) -> int:
    """Open all, then speak on all, then check all: how many got their own words back."""
    dials = [asyncio.open_connection("127.0.0.1", forward.local_port) for _ in range(count)]
    pairs = await asyncio.gather(*dials)
    for number, (_, writer) in enumerate(pairs):
        writer.write(b"%d" % number)
        writer.write_eof()
    answers = await asyncio.gather(*(reader.read() for reader, _ in pairs))
    for _, writer in pairs:
        writer.close()
    return sum(answer == b"%d" % number for number, answer in enumerate(answers))


def _descriptors() -> int:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)


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
        last = -1
        while sent[0] != last:  # until the flood is held back
            last = sent[0]
            time.sleep(0.3)
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


def test_close_is_quick_with_connections_open_and_ends_them() -> None:
    ended = threading.Event()

    def wait_for_the_end(sock: socket.socket) -> None:
        sock.recv(1)
        ended.set()

    with far_end(wait_for_the_end) as target:
        forward = open_forward(to(target), wanted=20000 + os.getpid() % 20000)
        with contextlib.ExitStack() as open_ones:
            clients = [open_ones.enter_context(dial(forward)) for _ in range(50)]
            assert eventually(lambda: forward.stats().open == 50)
            begin = time.monotonic()
            forward.close()
            assert time.monotonic() - begin < 0.2
            assert [read_all(client) for client in clients] == [b""] * 50
            assert ended.wait(2)
            with pytest.raises(ConnectionRefusedError):
                dial(forward)
            assert eventually(lambda: forward.stats().open == 0)
            forward.close()  # a second time does nothing


def test_close_ends_an_upload_that_the_far_end_does_not_read() -> None:
    let_go = threading.Event()

    def never_read(sock: socket.socket) -> None:
        let_go.wait(10)

    with far_end(never_read) as target:
        forward = open_forward(to(target), wanted=20000 + os.getpid() % 20000)
        with dial(forward) as client:
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.sendall(bytes(64 << 20))
            forward.close()
            assert eventually(lambda: forward.stats().open == 0, 2)
        let_go.set()


def test_close_does_not_wait_for_a_stream_that_hangs() -> None:
    forever = threading.Event()

    class Stuck:
        def recv(self, size: int, /) -> bytes:
            forever.wait()
            return b""

        def sendall(self, data: bytes, /) -> None:
            forever.wait()

        def shutdown_write(self) -> None:
            forever.wait()

        def settimeout(self, seconds: float | None, /) -> None:
            return None

        def close(self) -> None:
            forever.wait()

    forward = open_forward(Stuck, wanted=20000 + os.getpid() % 20000)
    with dial(forward) as client:
        client.sendall(b"x")
        assert eventually(lambda: forward.stats().open == 1)
        begin = time.monotonic()
        forward.close()
        assert time.monotonic() - begin < 0.2
        assert read_all(client) == b""
    forever.set()


def test_a_download_that_breaks_is_a_reset_and_not_an_end() -> None:
    half_was_read = threading.Event()

    class Breaking:
        said = False

        def recv(self, size: int, /) -> bytes:
            if self.said:
                half_was_read.wait(10)
                raise ConnectionResetError("the connection to the host is gone")
            self.said = True
            return b"the first half"

        def sendall(self, data: bytes, /) -> None:
            return None

        def shutdown_write(self) -> None:
            return None

        def settimeout(self, seconds: float | None, /) -> None:
            return None

        def close(self) -> None:
            return None

    forward = open_forward(Breaking, wanted=20000 + os.getpid() % 20000)
    with dial(forward) as client:
        assert client.recv(14) == b"the first half"
        half_was_read.set()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert eventually(lambda: forward.stats().open == 0)
    forward.close()


def test_a_client_that_resets_frees_its_stream() -> None:
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


def test_a_refused_stream_closes_that_connection_only_and_is_counted() -> None:
    def refuse() -> Stream:
        raise GpuwsError("forwarding-refused", "nothing listens there")

    forward = open_forward(refuse, wanted=20000 + os.getpid() % 20000)
    with dial(forward) as client:
        assert read_all(client) == b""
    stats = forward.stats()
    assert (stats.refused, stats.total, stats.open) == (1, 1, 0)
    assert stats.last_error == "nothing listens there"
    with far_end(echo) as target:
        forward.retarget(to(target))  # the far end came back
        with dial(forward) as client:
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
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
        forward_to(old) as forward,
        dial(forward) as first,
    ):
        first.sendall(b"?")
        assert first.recv(3) == b"old"
        port = forward.local_port
        forward.retarget(to(new))
        with dial(forward) as second:
            second.sendall(b"?")
            assert second.recv(3) == b"new"
        first.sendall(b"?")
        assert first.recv(3) == b"old"
        assert forward.local_port == port


def test_the_listener_survives_running_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = socket.socket.accept, iter(range(3))

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
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
