"""What a reconnect must not retry in a storm: another host key, a refused login; sleep; leaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.support.far_end import far_end
from tests.support.sshd import running_sshd
from tests.support.wired import Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = [pytest.mark.healing, pytest.mark.timeout(90)]

AT_WORST = 10.0  # seconds after the link is back
LEAST_PAUSE = 0.6  # seconds between two tries: pause() of plan/healing.py
SLOW_PACE = 10.0  # seconds between two looks at a host key that has changed


def test_another_host_key_pauses_and_the_right_one_resumes_by_itself(
    wire: Wire, short_tmp: Path
) -> None:
    """Row 133: another network answers on the port, and is looked at again at a slow pace only."""
    wire.attach()
    with running_sshd(short_tmp / "portal") as portal:
        wire.proxy.target = ("127.0.0.1", portal.port)
        wire.proxy.dials.clear()
        wire.proxy.reset()
        seen = wire.until("paused")
        assert "key" in seen["reason"]
        time.sleep(4)
        assert len(wire.proxy.dials) == 1
        assert portal.accepted() == 0
        wire.proxy.heal()
    assert wire.door.seconds_until_it_works() <= SLOW_PACE + 2
    first, second, *_ = wire.proxy.dials
    assert second.at - first.at >= SLOW_PACE - 0.5
    assert wire.until("open")["local_port"] == wire.door.port


def test_a_server_that_hangs_up_on_us_is_knocked_at_no_faster_than_the_policy(wire: Wire) -> None:
    """Row 29: it may have banned us, as fail2ban and sshd's own penalties do."""
    wire.attach()
    with far_end(lambda sock: sock.close()) as ban:
        wire.proxy.target = ban.socket
        wire.proxy.dials.clear()
        wire.proxy.reset()
        time.sleep(5)
        times = [dial.at for dial in wire.proxy.dials]
        wire.proxy.heal()
    assert len(times) >= 3
    assert min(later - sooner for sooner, later in pairwise(times)) >= LEAST_PAUSE
    assert wire.door.seconds_until_it_works() <= AT_WORST


def test_a_web_page_on_the_ssh_port_is_waited_out(wire: Wire) -> None:
    """Row 133: a captive portal that speaks HTTP."""
    wire.attach()
    page = b"HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\n\r\n"
    with far_end(lambda sock: sock.sendall(page)) as portal:
        wire.proxy.target = portal.socket
        wire.proxy.dials.clear()
        wire.proxy.reset()
        time.sleep(5)
        seen = wire.tunnel()
        assert seen["state"] in ("reconnecting", "paused")
        assert seen["reason"]
        assert 1 <= len(wire.proxy.dials) <= 8
        wire.proxy.heal()
    assert wire.door.seconds_until_it_works() <= SLOW_PACE + 2


@contextmanager
def locked_out(wire: Wire) -> Iterator[None]:
    """The server takes no key of ours any more."""
    keys = wire.lab.server.authorized_keys
    text = keys.read_text()
    keys.write_text("")
    try:
        yield
    finally:
        keys.write_text(text)


def test_a_refused_login_pauses_and_attach_brings_back_the_same_port(wire: Wire) -> None:
    """Never retried by itself: a server bans who knocks with a wrong key."""
    wire.attach()
    port = wire.door.port
    with locked_out(wire):
        wire.proxy.dials.clear()
        wire.proxy.reset()
        assert wire.until("paused")["reason"]
        time.sleep(4)
        assert len(wire.proxy.dials) == 1
    wire.attach()
    assert wire.door.port == port
    assert wire.door.works()


def sleep_through(keeper: psutil.Process, seconds: float) -> None:
    """The laptop's lid: nothing of the keeper runs."""
    keeper.suspend()
    try:
        time.sleep(seconds)
    finally:
        keeper.resume()


@pytest.mark.parametrize("seconds", [6, pytest.param(600, marks=pytest.mark.endurance)])
@pytest.mark.timeout(700)
def test_after_a_sleep_in_which_the_server_gave_up_it_reconnects_at_once(
    wire: Wire, seconds: int
) -> None:
    """Row 119: no storm, at most 5 s."""
    wire.attach()
    wire.proxy.dials.clear()
    wire.proxy.dark = True
    wire.lab.server.end_sessions()
    sleep_through(wire.keeper, seconds)
    wire.proxy.heal()
    assert wire.door.seconds_until_it_works() <= 5
    assert 1 <= len(wire.proxy.dials) <= 2


@pytest.mark.parametrize("seconds", [6, pytest.param(600, marks=pytest.mark.endurance)])
@pytest.mark.timeout(700)
def test_a_connection_that_survives_a_sleep_is_kept(wire: Wire, seconds: int) -> None:
    """Row 119: longer than every deadline, but the host still answers."""
    wire.attach()
    sleep_through(wire.keeper, seconds)
    assert wire.door.seconds_until_it_works() <= 5
    time.sleep(2)
    assert wire.until("open")["reconnects"] == 0
    assert len(wire.proxy.dials) == 1


def footprint(keeper: psutil.Process) -> tuple[int, int, int]:
    """Descriptors, threads, MB."""
    with keeper.oneshot():
        return keeper.num_fds(), keeper.num_threads(), keeper.memory_info().rss >> 20


@pytest.mark.parametrize("rounds", [10, pytest.param(2000, marks=pytest.mark.endurance)])
@pytest.mark.timeout(3500)
def test_reconnecting_again_and_again_leaks_nothing(wire: Wire, rounds: int) -> None:
    """Row 123."""
    wire.attach()
    for _ in range(3):
        wire.proxy.reset()
        wire.door.seconds_until_it_works()
    wire.until("open")
    before = footprint(wire.keeper)
    for _ in range(rounds):
        wire.proxy.reset()
        wire.door.seconds_until_it_works()
    assert wire.until("open")["reconnects"] == rounds + 3
    time.sleep(1)
    after = footprint(wire.keeper)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert after[2] <= before[2] + 8
