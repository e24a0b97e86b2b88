"""Links that are slow, far or long in use. Rows: see test_healing.py."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import websocket

from tests.support.door import Door, how_it_ends, say
from tests.support.far_end import random_bytes
from tests.support.outside import Notebook
from tests.support.wired import BLOB, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(120)


def test_an_idle_tunnel_says_something_often_enough_for_a_nat(wire: Wire) -> None:
    """Row 118: pings go both ways as often as ssh_config says, every second here."""
    wire.attach()
    time.sleep(1)
    for _ in range(2):
        up, down = wire.proxy.up.passed, wire.proxy.down.passed
        time.sleep(2.5)
        assert wire.proxy.up.passed > up
        assert wire.proxy.down.passed > down


def fetched(door: Door, size: int, timeout: float) -> str:
    """SHA-256 of a download of so many bytes."""
    seen, head, left = hashlib.sha256(), b"", size
    with door.knock(timeout) as sock:
        say(door, sock, BLOB)
        while b"\r\n\r\n" not in head:
            head += sock.recv(4096)
        body = head.partition(b"\r\n\r\n")[2]
        while body:
            seen.update(body)
            left -= len(body)
            body = sock.recv(1 << 20) if left else b""
    assert left == 0
    return seen.hexdigest()


@pytest.mark.parametrize(("rate", "size"), [(32_000, 200_000), (1_000_000, 4_000_000)])
def test_a_link_full_of_a_download_is_not_taken_for_a_dead_one(
    wire: Wire, rate: int, size: int
) -> None:
    """Row 126: 256 kbit/s and 8 Mbit/s."""
    data = random_bytes(size)
    wire.blob(data)
    wire.attach()
    wire.proxy.rate = float(rate)
    begin = time.monotonic()
    assert fetched(wire.door, size, 60) == hashlib.sha256(data).hexdigest()
    assert time.monotonic() - begin > size / rate * 0.6  # else the link was not slow
    assert wire.door.works(timeout=20)
    assert len(wire.proxy.dials) == 1


def test_600_ms_away_a_warm_attach_takes_few_round_trips_and_requests_work(wire: Wire) -> None:
    """Row 127: with 200 ms of jitter; `ssh -N -L` takes some 7 round trips."""
    wire.proxy.delay, wire.proxy.jitter = 0.3, 0.1
    begin = time.monotonic()
    wire.attach()
    assert time.monotonic() - begin <= 2 * 7 * 0.7
    assert wire.door.ask() == 200
    assert len(wire.proxy.dials) == 1


def test_600_ms_away_a_download_fills_more_than_the_window_it_began_with(wire: Wire) -> None:
    """Row 127: at least 2 MB/s are asked for; a window that stayed at 2 MiB gives 3.5 at most."""
    data = random_bytes(32_000_000)
    wire.blob(data)
    wire.proxy.delay = 0.3  # before the login, which tells how far the host is
    wire.attach()
    begin = time.monotonic()
    assert fetched(wire.door, len(data), 60) == hashlib.sha256(data).hexdigest()
    assert len(data) / (time.monotonic() - begin) >= 4e6


@pytest.mark.healing
def test_600_ms_away_a_cut_is_healed(wire: Wire) -> None:
    """Rows 116, 127: no deadline on the way is shorter than a login over such a link."""
    wire.proxy.delay, wire.proxy.jitter = 0.3, 0.1
    wire.attach()
    wire.proxy.reset()
    assert wire.door.seconds_until_it_works() <= 10
    assert wire.until("open")["reconnects"] == 1


def test_a_service_that_stops_and_returns_needs_no_new_connection(
    wire: Wire, jupyter_env: Path
) -> None:
    """Row 132: closed at once meanwhile, the tunnel stays as it is."""
    wire.attach()
    port, keeper = wire.door.port, wire.keeper.pid
    wire.stop_service()
    with wire.door.knock() as sock:
        say(wire.door, sock, "api/status")
        assert how_it_ends(sock, 5) in (("end", b""), ("reset", b""))
    wire.up(jupyter_env)
    wire.attach()
    assert wire.door.works()
    assert (wire.door.port, wire.keeper.pid) == (port, keeper)
    assert len(wire.proxy.dials) == 1


@contextmanager
def channel(door: Door, kernel: str) -> Iterator[websocket.WebSocket]:
    address = f"ws://127.0.0.1:{door.port}{door.base_url}api/kernels/{kernel}/channels"
    made = websocket.create_connection(
        address, header=[f"Authorization: token {door.token}"], timeout=20
    )
    try:
        yield made
    finally:
        made.close()


def asked(link: Any) -> bool:
    """Whether the kernel answers on this websocket."""
    header = {"msg_id": uuid.uuid4().hex, "username": "", "session": uuid.uuid4().hex}
    header |= {"msg_type": "kernel_info_request", "version": "5.3", "date": ""}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": {}}
    link.send(json.dumps({**message, "channel": "shell", "buffers": []}))
    for _ in range(20):
        answer = json.loads(link.recv())
        mine = answer["parent_header"].get("msg_id") == header["msg_id"]
        if mine and answer["header"]["msg_type"] == "kernel_info_reply":
            return True
    return False


@pytest.mark.parametrize("seconds", [5, pytest.param(600, marks=pytest.mark.endurance)])
@pytest.mark.timeout(1400)
def test_a_websocket_lives_as_long_as_the_link(wire: Wire, seconds: int) -> None:
    """Row 124: one message a second, then as long without a word."""
    wire.attach()
    book = Notebook(wire.door.url)
    with channel(wire.door, book.start_kernel()) as link:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert asked(link)
            time.sleep(1)
        silent(link, seconds)
        assert asked(link)


def silent(link: Any, seconds: float) -> None:
    """Nobody says a word but Jupyter's pings, which every client answers: without that Jupyter
    itself hangs up after a minute and a half."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        link.settimeout(
            min(left, 5.0)
        )  # shorter than the time between two pings: each begins it anew
        with suppress(websocket.WebSocketTimeoutException):
            link.recv()
    link.settimeout(20)


@pytest.mark.parametrize("size", [96 << 20, pytest.param(5 << 30, marks=pytest.mark.endurance)])
@pytest.mark.timeout(900)
def test_a_long_download_arrives_whole_and_the_keeper_does_not_grow(wire: Wire, size: int) -> None:
    """Row 125: 5 GB are some rekeys. At least 50 MB/s is for the benchmark to say."""
    block = random_bytes(16 << 20)
    whole, path = hashlib.sha256(), wire.blob(b"")
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
            whole.update(block)
    wire.attach()
    try:
        before = wire.keeper.memory_info().rss
        assert fetched(wire.door, size, 60) == whole.hexdigest()
        assert wire.keeper.memory_info().rss - before < 48 << 20
    finally:
        path.unlink()
