"""The pump's one thread: what it is given is done once, and a fault stays where it is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from gpuws.tunnel.pump import READ, WRITE, Pump
from tests.support.near_end import eventually


@pytest.fixture
def pump() -> Iterator[Pump]:
    one = Pump(lambda: False)
    yield one
    one.stop()


def fail() -> None:
    raise ZeroDivisionError


def done(pump: Pump, work: Callable[[], None]) -> None:
    """Have it done, and wait for that."""
    event = threading.Event()
    pump.call(work)
    pump.call(event.set)
    assert event.wait(5)


def test_work_of_many_threads_is_done_once_and_in_the_order_of_each(pump: Pump) -> None:
    seen: dict[int, list[int]] = {each: [] for each in range(8)}

    def give(who: int) -> None:
        for number in range(2000):
            pump.call(lambda number=number: seen[who].append(number))  # type: ignore[misc]

    givers = [threading.Thread(target=give, args=(who,)) for who in seen]
    for giver in givers:
        giver.start()
    for giver in givers:
        giver.join()
    done(pump, lambda: None)
    assert all(numbers == list(range(2000)) for numbers in seen.values())


def test_a_fault_ends_neither_other_work_nor_other_sockets(
    pump: Pump, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []
    near, far = socket.socketpair()
    with near, far:
        done(pump, lambda: _expect(pump, near, lambda _: heard.append(near.recv(10))))
        done(pump, fail)
        far.sendall(b"still here")
        assert eventually(lambda: heard == [b"still here"])
        done(pump, lambda: _expect(pump, near, None))
    assert "ZeroDivisionError" in caplog.text


def _expect(pump: Pump, sock: socket.socket, ready: Callable[[int], None] | None) -> None:
    if ready:
        assert pump.watch(sock, 0, READ, ready) == READ
    else:
        assert pump.watch(sock, READ, 0, lambda _: None) == 0


@pytest.mark.parametrize("wanted", [READ, WRITE, READ | WRITE])
def test_a_socket_is_watched_for_what_is_wanted_and_no_more(pump: Pump, wanted: int) -> None:
    masks: list[int] = []
    near, far = socket.socketpair()

    def note(mask: int) -> None:
        masks.append(mask)
        pump.watch(near, wanted, 0, note)

    def begin() -> None:
        pump.watch(near, 0, wanted, note)

    with near, far:
        far.sendall(b"x")  # so that it can be read and written all the time
        done(pump, begin)
        assert eventually(lambda: masks == [wanted])
        done(pump, lambda: None)
    assert masks == [wanted]


def test_ticks_come_while_they_are_wanted_and_then_stop() -> None:
    left = [3]

    def tick() -> bool:
        left[0] -= 1
        return left[0] > 0

    pump = Pump(tick)
    time.sleep(0.7)
    assert left == [3]  # nobody wanted any
    pump.call(pump.want_ticks)
    assert eventually(lambda: left[0] == 0)
    time.sleep(0.7)
    assert left == [0]
    pump.stop()


def test_stop_comes_after_what_was_given_before_and_leaves_nothing() -> None:
    process = psutil.Process()
    Pump(lambda: False).stop()  # what a first one makes and keeps is there now
    time.sleep(0.2)
    threads, descriptors = threading.active_count(), process.num_fds()
    pump, order = Pump(lambda: False), []
    for number in range(100):
        pump.call(lambda number=number: order.append(number))  # type: ignore[misc]
    pump.stop()
    pump.stop()
    assert eventually(lambda: threading.active_count() == threads)
    assert order == list(range(100))
    assert process.num_fds() == descriptors
    pump.call(fail)  # too late: nothing happens
