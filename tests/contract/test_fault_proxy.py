"""The fault proxy does to a connection what it says: other tests measure through it."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.far_end import digest, echo, far_end, random_bytes
from tests.support.fault_proxy import FaultProxy


@contextlib.contextmanager
def through(serve: Callable[[socket.socket], None]) -> Iterator[tuple[FaultProxy, socket.socket]]:
    with far_end(serve) as target, FaultProxy(target.socket) as proxy, dial(proxy) as client:
        yield proxy, client


def dial(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def test_without_a_fault_it_is_a_wire() -> None:
    data = random_bytes(5_000_000)
    with through(digest) as (_, client):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(data).hexdigest()


def test_delay_adds_to_each_round_trip_and_does_not_limit_throughput() -> None:
    data = random_bytes(5_000_000)
    with through(echo) as (proxy, client):
        proxy.delay = 0.05
        begin = time.monotonic()
        client.sendall(b"x")
        client.recv(1)
        assert 0.1 <= time.monotonic() - begin < 0.2
        begin = time.monotonic()
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        received = 0
        while received < len(data):
            received += len(client.recv(1 << 20))
        sender.join()
        assert time.monotonic() - begin < 1.5  # in 64 KiB steps of 100 ms it would be 7 s


def test_a_rate_is_kept() -> None:
    with through(echo) as (proxy, client):
        proxy.rate = 400_000
        begin = time.monotonic()
        client.sendall(bytes(100_000))
        received = 0
        while received < 100_000:
            received += len(client.recv(1 << 20))
        assert 0.2 < time.monotonic() - begin < 1.5


def test_a_stall_stops_everything_and_loses_nothing() -> None:
    with through(echo) as (proxy, client):
        proxy.stalled = True
        client.sendall(b"held")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.stalled = False
        client.settimeout(5)
        assert client.recv(4) == b"held"


def test_a_reset_reaches_the_client() -> None:
    with through(echo) as (proxy, client):
        client.sendall(b"x")
        client.recv(1)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_cut_is_an_end_for_the_client() -> None:
    with through(echo) as (proxy, client):
        client.sendall(b"x")
        client.recv(1)
        proxy.cut()
        assert client.recv(1) == b""


def test_the_connection_is_cut_after_so_many_bytes() -> None:
    with through(echo) as (proxy, client):
        proxy.cut_after = 1000  # both directions together
        client.sendall(bytes(400))
        received = b""
        while len(received) < 400:
            received += client.recv(1000)
        client.sendall(bytes(400))
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_one_byte_of_each_direction_is_flipped() -> None:
    with through(echo) as (proxy, client):
        proxy.corrupt_at = 3
        client.sendall(b"abcdef")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"abcdef"  # flipped on the way there and on the way back
    with through(lambda sock: sock.sendall(sock.recv(1) + b"bcdef")) as (proxy, client):
        proxy.corrupt_at = 3
        client.sendall(b"a")
        assert read_all(client) == b"ab" + bytes([ord("c") ^ 0xFF]) + b"def"


def test_bytes_come_one_by_one() -> None:
    with through(echo) as (proxy, client):
        proxy.one_byte = True
        client.sendall(b"abc" * 50)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"abc" * 50


def test_new_connections_are_refused_and_counted() -> None:
    with far_end(echo) as target, FaultProxy(target.socket) as proxy:
        proxy.refusing = True
        with pytest.raises(ConnectionResetError), dial(proxy) as client:
            client.recv(1)
        proxy.refusing = False
        with dial(proxy) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert proxy.accepted == 2
