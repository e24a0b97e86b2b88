"""The connection breaks in the network itself, between two namespaces (as root), and heals.

Rows are those of the project's table of tunnel faults; see test_healing.py.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from tests.support.door import how_it_ends, question, say
from tests.support.far_end import random_bytes
from tests.support.lab import end_sessions
from tests.support.wired import BLOB, Cable, cable, jupyter_env, shared_cable

__all__ = ["cable", "jupyter_env", "shared_cable"]

pytestmark = pytest.mark.timeout(90)

AT_WORST = 10.0  # seconds after the link is back
FOUND = 15.0  # seconds from the last byte received, unless ssh_config says otherwise


@pytest.mark.healing
@pytest.mark.parametrize("fault", ["drop_incoming", "drop_outgoing"])
def test_one_direction_that_is_lost_is_noticed_and_healed(cable: Cable, fault: str) -> None:
    """Rows 114, 115: neither data nor what acknowledges it comes through."""
    cable.attach()
    with cable.door.knock() as idle:
        assert question(cable.door, idle) == 200
        getattr(cable.net.laptop, fault)()
        assert how_it_ends(idle, FOUND + 1) == ("reset", b"")
    time.sleep(1)
    cable.net.heal()
    assert cable.door.seconds_until_it_works() <= AT_WORST


@pytest.mark.healing
def test_resets_from_the_network_are_healed(cable: Cable) -> None:
    """Row 116: a firewall answers for the server."""
    cable.attach()
    cable.net.server.reset_incoming()
    cable.until("reconnecting")
    cable.net.heal()
    assert cable.door.seconds_until_it_works() <= AT_WORST


@pytest.mark.healing
def test_a_laptop_with_another_address_is_connected_again_within_5_s(cable: Cable) -> None:
    """Row 117: from one network into another."""
    cable.attach()
    cable.net.roam()
    assert cable.door.seconds_until_it_works() <= 5
    assert cable.until("open")["local_port"] == cable.door.port


@pytest.mark.healing
def test_a_cable_that_is_pulled_and_plugged_in_is_healed_within_5_s(cable: Cable) -> None:
    """Row 117: long enough for the connection to be given up."""
    cable.attach()
    cable.net.laptop.unplug()
    cable.until("reconnecting")
    cable.net.laptop.plug_in()
    assert cable.door.seconds_until_it_works() <= 5


def reboot(cable: Cable) -> None:
    """Everything on the server ends, and its boot id is another one."""
    cable.net.laptop.unplug()
    cable.lab.server.stop()
    end_sessions(cable.lab.home)
    cable.net.new_boot()
    cable.lab.server.start()
    cable.net.laptop.plug_in()


@pytest.mark.healing
def test_a_rebooted_server_is_told_apart_and_not_retried_for_ever(
    cable: Cable, jupyter_env: Path
) -> None:
    """Row 121."""
    cable.attach()
    try:
        reboot(cable)
        seen = cable.until("paused")
        assert "rebooted at" in seen["reason"]
        assert "gpuws up" in seen["reason"]
        logins = cable.lab.server.accepted()
        time.sleep(4)
        assert cable.lab.server.accepted() == logins
    finally:
        cable.net.heal()
        cable.up(jupyter_env)  # as it says, and for the tests to come
    cable.attach()
    assert cable.door.works()


def test_a_narrow_link_is_not_taken_for_a_dead_one(cable: Cable) -> None:
    """Row 126: 256 kbit/s, and all of it in use by a download for longer than three pings."""
    data = random_bytes(160_000)
    cable.blob(data)
    cable.attach()
    logins = cable.lab.server.accepted()
    for machine in (cable.net.laptop, cable.net.server):
        machine.narrow("256kbit")
    with cable.door.knock(timeout=60) as sock:
        say(cable.door, sock, BLOB)
        taken = b""
        while len(taken.partition(b"\r\n\r\n")[2]) < len(data):
            more = sock.recv(1 << 16)
            assert more
            taken += more
    assert taken.endswith(data)
    assert cable.door.works(timeout=20)
    assert cable.lab.server.accepted() == logins


def test_an_upload_that_fills_a_narrow_link_is_not_taken_for_silence(cable: Cable) -> None:
    """Row 126, the other way: a ping waits behind what is under way, and the host only listens."""
    body = json.dumps({"type": "file", "format": "text", "content": "x" * 250_000}).encode()
    cable.attach()
    logins = cable.lab.server.accepted()
    for machine in (cable.net.laptop, cable.net.server):
        machine.narrow("256kbit")
    begun = time.monotonic()
    with cable.door.knock(timeout=40) as sock:
        head = (
            f"PUT {cable.door.base_url}api/contents/large.txt HTTP/1.1",
            f"Host: 127.0.0.1:{cable.door.port}",
            f"Authorization: token {cable.door.token}",
            f"Content-Length: {len(body)}",
        )
        sock.sendall("\r\n".join((*head, "", "")).encode() + body)
        assert sock.recv(100).startswith(b"HTTP/1.1 201")
    assert time.monotonic() - begun > 5  # else the link was not narrow
    assert cable.lab.server.accepted() == logins


@pytest.mark.parametrize(
    "share",
    [
        pytest.param(0.01, marks=pytest.mark.endurance),
        0.05,
        pytest.param(0.2, marks=pytest.mark.endurance),
    ],
)
def test_lost_packets_lose_no_request(cable: Cable, share: float) -> None:
    """Row 128, both ways."""
    cable.usual_patience()
    cable.attach()
    for machine in (cable.net.laptop, cable.net.server):
        machine.lose(share)
    begin, asked = time.monotonic(), 0
    while time.monotonic() < begin + 6:
        assert cable.door.ask(timeout=30) == 200
        asked += 1
    assert asked >= 3
    if share >= 0.05:
        assert cable.net.server.dropped() > 0


@pytest.mark.healing
def test_a_download_through_an_mtu_black_hole_is_never_cut_short_and_the_next_one_is_whole(
    cable: Cable,
) -> None:
    """Row 129: short packets pass, so a ping of its own would find nothing."""
    data = random_bytes(2_000_000)
    cable.blob(data)
    cable.attach()
    cable.net.laptop.drop_longer_than(1280)
    with cable.door.knock() as sock:
        say(cable.door, sock, BLOB)
        how, came = how_it_ends(sock, FOUND + 1)
    # nothing at all may have come; then it is asked again on the next connection, and waits
    assert how == "reset" or (how, came) == ("silence", b"")
    assert data.startswith(came.partition(b"\r\n\r\n")[2])
    cable.net.heal()
    assert cable.door.seconds_until_it_works() <= AT_WORST
    with cable.door.knock() as sock:
        assert question(cable.door, sock, BLOB) == 200


def share_of_a_core(keeper: psutil.Process, seconds: float, before: float) -> float:
    return (sum(keeper.cpu_times()[:2]) - before) / seconds


@pytest.mark.parametrize(
    ("times", "each"),
    [
        (5, 1.0),  # the connection lives on
        pytest.param(2, 4.0, marks=[pytest.mark.healing, pytest.mark.endurance]),  # it does not
        pytest.param(75, 2.0, marks=[pytest.mark.healing, pytest.mark.endurance]),
    ],
)
@pytest.mark.timeout(400)
def test_a_link_that_flaps_is_met_with_patience(cable: Cable, times: int, each: float) -> None:
    """Row 135: little work, few logins, and at the end it works."""
    cable.attach()
    keeper, logins = cable.keeper, cable.lab.server.accepted()
    spent, begin = sum(keeper.cpu_times()[:2]), time.monotonic()
    for _ in range(times):
        cable.net.laptop.unplug()
        time.sleep(each)
        cable.net.laptop.plug_in()
        time.sleep(each)
    assert share_of_a_core(keeper, time.monotonic() - begin, spent) < 0.05
    assert cable.lab.server.accepted() - logins <= times
    assert cable.door.seconds_until_it_works() <= AT_WORST
    assert cable.keeper.pid == keeper.pid
