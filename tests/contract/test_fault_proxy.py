"""The fault proxy does to a connection what it says: other tests measure through it."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.far_end import digest, echo, far_end, random_bytes
from tests.support.fault_link import may_lose
from tests.support.fault_proxy import FaultProxy

only_on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
with_a_filter = pytest.mark.skipif(
    not may_lose(), reason="this kernel lets only root drop a socket's packets"
)


@contextlib.contextmanager
def through(serve: Callable[[socket.socket], None]) -> Iterator[tuple[FaultProxy, socket.socket]]:
    with far_end(serve) as target, FaultProxy(target.socket) as proxy, dial(proxy) as client:
        yield proxy, client


def dial(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def take(sock: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    taken = b""
    while len(taken) < size and (data := sock.recv(size - len(taken))):
        taken += data
    return taken


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


def test_small_pieces_are_not_slower_than_the_rate() -> None:
    """Where each is slept for alone, each sleep ends a millisecond late, two thousand times."""

    def in_pieces(sock: socket.socket) -> None:
        for _ in range(2000):
            sock.sendall(bytes(500))
            time.sleep(0.0002)  # else the next hop reads several at once

    with far_end(in_pieces) as target, FaultProxy(target.socket) as proxy:
        proxy.rate, proxy.delay = 5_000_000, 0.8  # all have been read when the first one is due
        with dial(proxy) as client:
            begin = time.monotonic()
            assert len(read_all(client)) == 1_000_000
            assert 0.8 + 0.15 < time.monotonic() - begin < 0.8 + 2.0


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


def test_every_connection_is_cut_after_so_many_bytes_of_one_way() -> None:
    with through(echo) as (proxy, client), dial(proxy) as other:
        other.sendall(b"x")
        assert other.recv(1) == b"x"
        proxy.down.cut_after = 1000
        client.sendall(bytes(400))
        assert len(take(client, 400)) == 400
        client.sendall(bytes(700))
        assert len(take(client, 600)) == 600
        for each in (client, other):
            with pytest.raises(ConnectionResetError):
                each.recv(1)
        assert proxy.up.passed >= 1101
        assert proxy.down.passed == 1001
        assert proxy.down.cut_after == 0


def test_one_byte_of_one_direction_is_flipped_once() -> None:
    flipped = bytes([ord("b") ^ 0xFF])
    with through(echo) as (proxy, client):
        proxy.down.corrupt = True
        for expected in (b"a" + flipped + b"c", b"abc"):
            client.sendall(b"abc")
            assert take(client, 3) == expected
        proxy.corrupt = True  # on the way there and on the way back
        client.sendall(b"abc")
        assert take(client, 3) == b"abc"


def test_one_direction_stalls_alone() -> None:
    came: list[bytes] = []

    def note_and_echo(sock: socket.socket) -> None:
        came.append(sock.recv(4))
        echo(sock)

    with through(note_and_echo) as (proxy, client):
        proxy.down.stalled = True
        client.sendall(b"seenheld")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert came == [b"seen"]
        proxy.heal()
        client.settimeout(5)
        assert take(client, 4) == b"held"


def test_jitter_delays_by_chance_and_keeps_the_order() -> None:
    with through(echo) as (proxy, client):
        proxy.down.jitter = 0.2
        begin = time.monotonic()
        for number in range(20):
            client.sendall(bytes([number]))
            time.sleep(0.002)
        assert take(client, 20) == bytes(range(20))
        assert 0.06 < time.monotonic() - begin < 1.0


@only_on_linux
def test_bytes_come_one_by_one() -> None:
    with through(echo) as (proxy, client):
        proxy.one_byte = True
        client.sendall(b"abc" * 50)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"abc" * 50
        assert segments(client) >= 10  # the kernel joins some of the 150; unsplit it is one


def segments(sock: socket.socket) -> int:
    """Packets with data that came in: tcpi_data_segs_in of struct tcp_info."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    found: int = struct.unpack_from("I", info, 152)[0]
    return found


def test_healing_undoes_every_fault_of_both_ways() -> None:
    with through(echo) as (proxy, _):
        for way in (proxy.up, proxy.down):
            way.delay = way.jitter = way.rate = 1.0
            way.cut_after, way.corrupt, way.one_byte, way.stalled = 1, True, True, True
        proxy.refusing, proxy.target = True, "/nobody/listens/here"
        own = FaultProxy("/the/same")
        proxy.heal()
        assert (proxy.up, proxy.down) == (own.up, own.down)
        assert not proxy.refusing
        with dial(proxy) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"


def test_new_connections_are_refused_and_every_dial_is_counted_with_its_time() -> None:
    with far_end(echo) as target, FaultProxy(target.socket) as proxy:
        begin = time.monotonic()
        proxy.refusing = True
        with pytest.raises(ConnectionResetError), dial(proxy) as client:
            client.recv(1)
        proxy.heal()
        with dial(proxy) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        proxy.target = "/nobody/listens/here"
        with pytest.raises(ConnectionResetError), dial(proxy) as client:
            client.recv(1)
        assert [each.outcome for each in proxy.dials] == ["refused", "carried", "unreachable"]
        times = [each.at for each in proxy.dials]
        assert begin <= times[0] <= times[1] <= times[2] <= time.monotonic()


def test_another_server_answers_until_it_is_healed() -> None:
    def portal(sock: socket.socket) -> None:
        sock.sendall(b"log in first")

    with through(echo) as (proxy, client), far_end(portal) as other:
        client.sendall(b"x")
        assert client.recv(1) == b"x"  # it is where it was going
        proxy.target = other.socket
        with dial(proxy) as late:
            assert read_all(late) == b"log in first"
        client.sendall(b"mine")  # a connection that was there goes on to where it was
        assert client.recv(4) == b"mine"
        proxy.heal()
        with dial(proxy) as later:
            later.sendall(b"x")
            assert later.recv(1) == b"x"


@with_a_filter
def test_in_the_dark_nothing_is_acknowledged_and_nobody_gets_in() -> None:
    with through(echo) as (proxy, client):
        client.sendall(b"x")
        client.recv(1)
        proxy.dark = True
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 400)  # milliseconds
        client.sendall(b"lost")
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", proxy.port), timeout=0.4)
        with pytest.raises(OSError, match="Connection timed out"):
            client.recv(1)
        dials = len(proxy.dials)
        proxy.heal()
        with dial(proxy) as again:
            again.sendall(b"y")
            assert again.recv(1) == b"y"
        assert dials == 1


def test_a_connection_that_outlives_the_dark_goes_on_without_a_loss() -> None:
    with through(echo) as (proxy, client):
        proxy.dark = True
        client.sendall(b"kept")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.dark = False
        client.settimeout(5)
        assert take(client, 4) == b"kept"  # sent again by the kernel, or held


def test_without_a_fault_it_is_fast_enough_to_measure_through() -> None:
    """Some 800 MB/s on two cores; half of what must be is asked, as others work here too."""
    with through(pour) as (_, client):
        begin = time.monotonic()
        size = sum(map(len, iter(lambda: client.recv(1 << 20), b"")))
        assert size / (time.monotonic() - begin) > 150e6


def pour(sock: socket.socket) -> None:
    block = bytes(1 << 20)
    for _ in range(200):
        sock.sendall(block)
