"""Is the host still there? Silence and another network over a real sshd.

An upload that fills a narrow link needs a network of its own: see test_healing_network.py.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpuws.host import watchdog as watchdogs
from gpuws.host.connect import connect
from gpuws.host.network import acknowledged, source_address
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.ports import Host, Script
from tests.support.near_end import eventually
from tests.support.people import Nobody
from tests.support.sshd import Sshd, running_sshd

HELLO = Script("hello", "echo hello")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "s", home=tmp_path) as running:
        yield running


def of(server: Sshd) -> Profile:
    return resolve(server.alias, ssh_config=server.config)


@contextlib.contextmanager
def connected(server: Sshd, interval: float, count: int) -> Iterator[Host]:
    eager = replace(of(server), alive_interval=interval, alive_count=count)
    host = connect(eager, Nobody(), Nobody())
    try:
        yield host
    finally:
        host.close()


@contextlib.contextmanager
def stopped(server: Sshd) -> Iterator[None]:
    """Its kernel acknowledges, but nobody is there."""
    hanging = [each for one in server.sessions() for each in (one, *one.children(recursive=True))]
    assert hanging
    for each in hanging:
        each.suspend()
    try:
        yield
    finally:
        for each in hanging:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def seconds_until_lost(host: Host, patience: float) -> float:
    begun = time.monotonic()
    assert eventually(lambda: not host.alive(), patience)
    return time.monotonic() - begun


@pytest.mark.parametrize(("interval", "count"), [(0.5, 3), (1.0, 2), (2.0, 1)])
def test_a_host_that_hangs_is_given_up_after_as_many_intervals_as_ssh_would_wait(
    server: Sshd, interval: float, count: int
) -> None:
    limit = interval * count
    with connected(server, interval, count) as host, stopped(server):
        assert limit - 0.5 <= seconds_until_lost(host, limit + 5) <= limit + 1.5


def test_a_host_that_is_only_quiet_is_kept(server: Sshd) -> None:
    with connected(server, 0.3, 2) as host:
        time.sleep(2)
        assert host.alive()
        assert host.run(HELLO).out == "hello\n"


def test_the_ssh_config_says_how_long_a_host_may_be_silent(tmp_path: Path) -> None:
    words = ("ServerAliveInterval 7", "ServerAliveCountMax 4")
    with running_sshd(tmp_path / "s", client_lines=words) as server:
        profile = of(server)
    assert (profile.alive_interval, profile.alive_count) == (7.0, 4)


def test_without_a_word_it_is_less_than_15_s(server: Sshd) -> None:
    profile = of(server)
    assert 9 <= profile.alive_interval * profile.alive_count <= 14


# --- another network -----------------------------------------------------------------------------


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way to the host begins at another address from now on."""
    monkeypatch.setattr(watchdogs, "source_address", lambda _: "192.0.2.7")


def test_on_another_network_a_dead_connection_is_found_at_once(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(server, 60, 3) as host, stopped(server):
        time.sleep(1.5)
        assert host.alive()
        elsewhere(monkeypatch)
        assert seconds_until_lost(host, 10) <= 5.5


def test_on_another_network_a_connection_that_still_answers_is_kept(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(server, 60, 3) as host:
        elsewhere(monkeypatch)
        time.sleep(5)
        assert host.latency() > 0
        assert host.alive()


def test_the_own_address_towards_a_peer_is_told_without_a_packet() -> None:
    assert source_address(("127.0.0.1", 22)) == "127.0.0.1"
    assert source_address(("::1", 22, 0, 0)) in ("::1", None)  # None: no IPv6 here
    assert source_address(("not an address", 22)) is None


def test_nothing_counts_as_sent_where_nothing_is_under_way() -> None:
    """Else a connection that has sent a byte once would never be silent."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sock,
        listener.accept()[0] as far,
    ):
        assert eventually(lambda: acknowledged(sock) is None, 2)
        sock.sendall(bytes(100_000))
        assert len(far.recv(100_000, socket.MSG_WAITALL)) == 100_000
        assert eventually(lambda: acknowledged(sock) is None, 2)
