"""`gpuws attach` in the foreground in an outage: on a terminal, off one, and what is logged."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support.near_end import eventually
from tests.support.watching import Screen
from tests.support.wired import WHERE, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def screen(wire: Wire) -> Iterator[Screen]:
    """A terminal in which it has just attached."""
    laptop = wire.lab.laptop
    words = ("-m", "gpuws", "attach", WHERE, "--no-browser")
    made = Screen(sys.executable, *words, cwd=str(laptop.project), env=laptop.env)
    assert made.shows("last heard", 20)
    yield made
    made.end()


def test_an_outage_is_shown_while_it_lasts_and_then_the_tunnel_is_open_again(
    wire: Wire, screen: Screen
) -> None:
    wire.proxy.dark = True
    assert screen.shows("reconnecting (try ", 15)
    assert "last heard" in screen.text()
    wire.proxy.heal()
    assert screen.shows("open on 127.0.0.1:", 15)
    assert "reconnecting" not in screen.text()


@pytest.mark.parametrize("how", ["q", "\x03"], ids=["q", "Ctrl-C"])
def test_who_wants_to_leave_an_outage_need_not_wait(wire: Wire, screen: Screen, how: str) -> None:
    wire.proxy.dark = True
    assert screen.shows("reconnecting (try ", 15)
    screen.type(how)
    assert screen.seconds_to_end() < 0.5  # 0.2 s, and what a busy machine adds
    assert screen.code() == 0
    assert eventually(lambda: wire.lab.laptop.keepers() == [], 8)


def test_off_a_terminal_each_change_is_a_line_and_no_secret_is_logged(wire: Wire) -> None:
    laptop = wire.lab.laptop
    process = laptop.start("attach", WHERE, "--no-browser")
    try:
        assert eventually(lambda: len(laptop.keepers()) == 1)
        wire.until("open")
        time.sleep(1.5)  # it has heard so
        wire.proxy.dark = True
        wire.until("reconnecting")
        wire.proxy.heal()
        wire.until("open")
        time.sleep(1.5)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    lines = [line for line in err.splitlines() if line.startswith("tunnel: ")]
    assert ["reconnecting" in line for line in lines] == [True, False]
    assert lines[1].startswith("tunnel: open on 127.0.0.1:")
    [log] = (laptop.folder / "state" / "logs").glob("keeper-*.log")
    told = log.read_text()
    assert "connected again" in told
    assert (wire.workspace / "token").read_text() not in told
