"""A kernel counts while everything on the way to it breaks, by a seed that is printed.

GPUWS_CHAOS_SEED=1234 python3 dev.py test tests/journey/test_chaos.py
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import websocket

from tests.support.outside import Notebook
from tests.support.wired import Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.healing

COUNTER = """
import threading, time
seen, ticks = {}, [0]
def count(request):
    print(seen.setdefault(request, len(seen) + 1))
def tick():
    while True:
        ticks[0] += 1
        time.sleep(0.1)
threading.Thread(target=tick, daemon=True).start()
"""
"""``count`` may be asked again where the answer was lost: each request counts once."""

LOST = (OSError, http.client.HTTPException, websocket.WebSocketException)


def dark(wire: Wire, _: random.Random) -> None:
    wire.proxy.dark = True


def one_way(wire: Wire, dice: random.Random) -> None:
    dice.choice([wire.proxy.up, wire.proxy.down]).stalled = True


def corrupt(wire: Wire, dice: random.Random) -> None:
    dice.choice([wire.proxy.up, wire.proxy.down]).corrupt = True


def slow(wire: Wire, dice: random.Random) -> None:
    wire.proxy.delay, wire.proxy.rate = dice.uniform(0, 0.3), dice.uniform(20_000, 500_000)


def restart(wire: Wire, dice: random.Random) -> None:
    wire.lab.server.stop()
    time.sleep(dice.uniform(0, 2))
    wire.lab.server.start()


def reset(wire: Wire, _: random.Random) -> None:
    wire.proxy.reset()


def cut(wire: Wire, _: random.Random) -> None:
    wire.proxy.cut()


def refuse(wire: Wire, _: random.Random) -> None:
    wire.proxy.refusing = True


def end_sessions(wire: Wire, _: random.Random) -> None:
    wire.lab.server.end_sessions()


def sleep(wire: Wire, dice: random.Random) -> None:
    keeper = wire.keeper
    keeper.suspend()
    try:
        time.sleep(dice.uniform(0, 4))
    finally:
        keeper.resume()


FAULTS: tuple[Callable[[Wire, random.Random], None], ...] = (
    *(dark, one_way, corrupt, slow, restart, sleep, reset, cut, refuse, end_sessions),
)


@contextmanager
def chaos(wire: Wire, dice: random.Random) -> Iterator[list[str]]:
    """One fault after another until the block ends; yields their names. All are healed then."""
    over, names, errors = threading.Event(), list[str](), list[BaseException]()

    def run() -> None:
        try:
            while not over.is_set():
                fault = dice.choice(FAULTS)
                names.append(fault.__name__)
                fault(wire, dice)
                over.wait(dice.uniform(0.1, 4))
                wire.proxy.heal()
                over.wait(dice.uniform(0, 3))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield names
    finally:
        over.set()
        thread.join(30)
        wire.proxy.heal()
        assert not errors, errors


def counted(book: Notebook, kernel: str, request: int, patience: float = 60.0) -> int:
    """The kernel's count of this request, asked again until an answer comes."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return int(book.run(kernel, f"count({request})"))
        except LOST:
            assert time.monotonic() < deadline, f"no answer to request {request}"
            time.sleep(0.1)


@pytest.mark.parametrize("seconds", [10, pytest.param(240, marks=pytest.mark.endurance)])
@pytest.mark.timeout(600)
def test_no_count_is_lost_and_the_kernel_is_the_same(wire: Wire, seconds: int) -> None:
    """Rows 114 to 135, by chance."""
    seed = int(os.environ.get("GPUWS_CHAOS_SEED") or random.randrange(1_000_000))
    print(f"GPUWS_CHAOS_SEED={seed}")
    wire.attach()
    book = Notebook(wire.door.url)
    kernel = book.start_kernel()
    book.run(kernel, COUNTER)
    begin, counts = time.monotonic(), list[int]()
    with chaos(wire, random.Random(seed)) as faults:
        while time.monotonic() < begin + seconds:
            counts.append(counted(book, kernel, len(counts)))
            time.sleep(0.05)
    print(f"{len(counts)} counts through {len(faults)} faults: {' '.join(faults)}")
    assert wire.door.seconds_until_it_works() <= 10
    assert counts == list(range(1, len(counts) + 1))
    assert len(counts) >= 5
    assert book.kernels() == [kernel]
    assert int(book.run(kernel, "print(len(seen))")) == len(counts)
    passed = time.monotonic() - begin
    assert int(book.run(kernel, "print(ticks[0])")) >= passed * 10 * 0.5  # it never stood still
