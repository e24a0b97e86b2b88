"""What is carried while keys are exchanged again arrives whole."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest

from gpuws.plan.ports import Host
from gpuws.tunnel.forward import Forward
from tests.support.far_end import echo, far_end, random_bytes, short_folder
from tests.support.near_end import carried, dial, log_in
from tests.support.sshd import Sshd, running_sshd

_BLOCK = 1 << 20  # bytes


@contextlib.contextmanager
def logged_in(rekey_limit: str) -> Iterator[tuple[Sshd, Host]]:
    """To a server whose log tells every key exchange."""
    lines = (f"RekeyLimit {rekey_limit}", "LogLevel DEBUG1")
    with short_folder() as folder, running_sshd(folder / "d", lines) as server:
        host = log_in(server)
        yield server, host
        host.close()


def exchanges(server: Sshd) -> int:
    return server.log().count("SSH2_MSG_KEXINIT received")


def there_and_back(forward: Forward, blocks: int) -> None:
    """``blocks`` MiB each way at the same time, different ones; compared by their sums."""
    data = [random_bytes(_BLOCK + number) for number in range(7)]
    sent, got = hashlib.sha256(), hashlib.sha256()

    with dial(forward) as client:

        def send() -> None:
            for number in range(blocks):
                client.sendall(data[number % 7])
                sent.update(data[number % 7])
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        while chunk := client.recv(_BLOCK):
            got.update(chunk)
        sender.join()
    assert got.digest() == sent.digest()


def test_both_ways_at_once_across_many_key_exchanges() -> None:
    with (
        logged_in("1M 10") as (server, host),
        far_end(echo) as target,
        carried(host, target) as forward,
    ):
        before = exchanges(server)
        there_and_back(forward, 24)
        assert exchanges(server) - before >= 10
        stats = forward.stats()
    assert stats.bytes_in == stats.bytes_out > 24 * _BLOCK


def test_idle_connections_outlive_a_key_exchange() -> None:
    with (
        logged_in("1M 10") as (server, host),
        far_end(echo) as target,
        carried(host, target) as forward,
        contextlib.ExitStack() as open_ones,
    ):
        idle = [open_ones.enter_context(dial(forward)) for _ in range(20)]
        before = exchanges(server)
        there_and_back(forward, 4)
        assert exchanges(server) > before
        for client in idle:
            client.sendall(b"still here")
            assert client.recv(10) == b"still here"


@pytest.mark.endurance
def test_five_gigabytes_both_ways_across_key_exchanges_without_growing() -> None:
    with (
        logged_in("1G") as (server, host),
        far_end(echo) as target,
        carried(host, target) as forward,
    ):
        there_and_back(forward, 64)
        before, memory = exchanges(server), psutil.Process().memory_info().rss
        there_and_back(forward, 5000)
        assert exchanges(server) - before >= 3
        assert psutil.Process().memory_info().rss - memory < 32 << 20
