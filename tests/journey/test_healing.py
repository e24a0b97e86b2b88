"""The connection breaks, and the same address works again. Through the fault proxy, without root.

Rows are those of the project's table of tunnel faults, 114 to 135. In other files: 119, 123 and 133
in test_healing_pauses.py, 118, 124 to 127 and 132 in test_slow_links.py, what needs a network of
its own (117, 121, 128, 129, 135) in test_healing_network.py, 122 and 130 (how a forward carries
bytes) in tests/contract/. 134, a laptop's clock that jumps, cannot be seen from outside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.door import how_it_ends, question, say
from tests.support.far_end import random_bytes
from tests.support.wired import BLOB, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(90)

SOON = 2.0  # seconds after the link is back, the usual case
AT_WORST = 10.0  # seconds after the link is back
FOUND = 15.0  # seconds from the last byte received, unless ssh_config says otherwise
TUNNEL = {
    *("local_port", "state", "heard_s", "latency_ms", "bytes_in", "bytes_out", "connections"),
    *("reconnects", "try", "next_s", "reason", "since_s"),
}


def flip_a_bit(wire: Wire) -> None:
    wire.proxy.up.corrupt = True  # of the next packet


BREAKS: dict[str, Callable[[Wire], None]] = {
    "an RST": lambda wire: wire.proxy.reset(),
    "a FIN": lambda wire: wire.proxy.cut(),
    "the death of the server's session": lambda wire: wire.lab.server.end_sessions(),
    "a corrupted packet": flip_a_bit,
}


@pytest.mark.healing
@pytest.mark.parametrize("fault", BREAKS)
def test_the_same_address_works_again_at_once_after(wire: Wire, fault: str) -> None:
    """Rows 116, 120, 131: a connection that ends is no outage."""
    wire.attach()
    BREAKS[fault](wire)
    assert wire.door.seconds_until_it_works() <= SOON
    seen = wire.until("open")
    assert (seen["local_port"], seen["reconnects"]) == (wire.door.port, 1)
    assert len(wire.proxy.dials) == 2


@pytest.mark.healing
@pytest.mark.parametrize(
    "outage",
    [2, *(pytest.param(s, marks=[pytest.mark.endurance]) for s in (5, 30, 300))],
)
@pytest.mark.timeout(500)
def test_a_request_during_an_outage_waits_and_then_works(wire: Wire, outage: int) -> None:
    """Row 114. A request waits up to 60 s, so a longer outage ends before it is asked."""
    wire.attach()
    wire.proxy.dark = True
    wire.until("reconnecting")
    time.sleep(max(0, outage - 2))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(wire.door.ask, timeout=60)
        time.sleep(2)
        assert not answer.done()
        healed = time.monotonic()
        wire.proxy.heal()
        assert answer.result(30) == 200
    assert time.monotonic() - healed <= AT_WORST
    assert wire.until("open")["local_port"] == wire.door.port


@pytest.mark.healing
def test_a_request_made_before_the_outage_is_noticed_works_after_it(wire: Wire) -> None:
    """Row 114: nobody knows yet, so the channel is asked for on a connection that is dead."""
    wire.attach()
    wire.proxy.dark = True
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(wire.door.ask, timeout=60)
        wire.until("reconnecting")
        wire.proxy.heal()
        assert answer.result(AT_WORST) == 200


@pytest.mark.healing
def test_connections_of_a_dead_link_are_reset_and_new_ones_work(wire: Wire) -> None:
    """Row 114."""
    wire.attach()
    with wire.door.knock() as one, wire.door.knock() as other:
        assert {question(wire.door, one), question(wire.door, other)} == {200}
        wire.proxy.dark = True
        assert how_it_ends(one, FOUND + 1) == ("reset", b"")
        assert how_it_ends(other, 1) == ("reset", b"")
    wire.proxy.heal()
    assert wire.door.seconds_until_it_works() <= AT_WORST


@pytest.mark.healing
def test_without_a_word_in_ssh_config_a_dead_link_is_found_within_15_s(wire: Wire) -> None:
    """Row 115, and the default of what is promised."""
    wire.usual_patience()
    wire.attach()
    with wire.door.knock() as idle:
        assert question(wire.door, idle) == 200
        begin = time.monotonic()
        wire.proxy.dark = True
        assert how_it_ends(idle, FOUND + 4)[0] == "reset"
        assert time.monotonic() - begin <= FOUND + 0.5  # a busy machine


@pytest.mark.healing
def test_status_tells_how_an_outage_stands_without_waiting_for_the_host(wire: Wire) -> None:
    """Row 114: a status line during the outage."""
    wire.attach()
    whole = wire.until("open")
    assert set(whole) == TUNNEL
    wire.proxy.dark = True
    wire.until("reconnecting")
    begin = time.monotonic()
    host = wire.host()
    assert time.monotonic() - begin < 3
    assert host["reachable"] is False
    [seen] = [each["tunnel"] for each in host["workspaces"]]
    assert set(seen) == TUNNEL
    assert seen["state"] == "reconnecting"
    assert seen["local_port"] == wire.door.port
    assert seen["try"] >= 1
    assert seen["heard_s"] >= 3
    assert seen["reason"]
    assert seen["bytes_in"] >= whole["bytes_in"]


@pytest.mark.healing
@pytest.mark.parametrize("way", ["up", "down"])
def test_one_silent_direction_is_noticed_and_healed(wire: Wire, way: str) -> None:
    """Row 115, with a network that acknowledges."""
    wire.attach()
    getattr(wire.proxy, way).stalled = True
    wire.until("reconnecting")
    wire.proxy.heal()
    assert wire.door.seconds_until_it_works() <= AT_WORST


@contextmanager
def stopped(wire: Wire) -> Iterator[None]:
    """The server's processes of the connections that are open hang."""
    sessions = wire.lab.server.sessions()
    assert sessions
    # for who is not root, the process that carries the connection is a child of that one
    hanging = [*sessions, *(child for each in sessions for child in each.children(recursive=True))]
    for each in hanging:
        each.suspend()
    try:
        yield
    finally:
        for each in hanging:
            if each.is_running():
                each.resume()


@pytest.mark.healing
def test_a_server_that_is_half_dead_is_reached_by_a_new_connection(wire: Wire) -> None:
    """Row 120: it accepts and acknowledges, but nobody is there."""
    wire.attach()
    with stopped(wire):
        assert wire.door.seconds_until_it_works() <= AT_WORST
    assert wire.until("open")["reconnects"] == 1


@pytest.mark.healing
def test_an_sshd_that_restarts_is_found_again(wire: Wire) -> None:
    """Row 120: meanwhile its port refuses."""
    wire.attach()
    wire.lab.server.stop()
    try:
        assert wire.until("reconnecting")["reason"]
        time.sleep(3)
    finally:
        wire.lab.server.start()
    assert wire.door.seconds_until_it_works() <= AT_WORST


def test_a_download_that_is_cut_ends_in_a_reset_and_never_in_a_clean_end(wire: Wire) -> None:
    """Row 116: a browser must not take half a file for a whole one."""
    data = random_bytes(8_000_000)
    wire.blob(data)
    wire.attach()
    wire.proxy.down.cut_after = 2_000_000
    with wire.door.knock() as sock:
        say(wire.door, sock, BLOB)
        how, came = how_it_ends(sock, 20)
    assert how == "reset"
    body = came.partition(b"\r\n\r\n")[2]
    assert 0 < len(body) < len(data)
    assert data.startswith(body)


def test_a_flipped_bit_never_becomes_data(wire: Wire) -> None:
    """Row 131: what comes is right as far as it comes."""
    data = random_bytes(8_000_000)
    wire.blob(data)
    wire.attach()
    wire.proxy.down.rate = 8_000_000.0
    with wire.door.knock() as sock:
        say(wire.door, sock, BLOB)
        begun = sock.recv(100_000)
        wire.proxy.down.corrupt = True
        how, rest = how_it_ends(sock, 20)
    assert how == "reset"
    body = (begun + rest).partition(b"\r\n\r\n")[2]
    assert 0 < len(body) < len(data)
    assert data.startswith(body)
