"""The foreground on a terminal: it tells how the tunnel stands, hears keys, and asks for a code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.watching import watched


def test_an_outage_and_its_end_are_shown(short_tmp: Path) -> None:
    with watched(short_tmp) as (screen, keeper):
        keeper.tell()
        assert screen.shows("open on 127.0.0.1:8888, last heard 1 s ago")
        keeper.tell(state="reconnecting", heard_s=15.0, **{"try": 3})
        assert screen.shows("last heard 15 s ago, reconnecting (try 3, now)")
        keeper.tell(state="paused", reason="it asks for a code")
        assert screen.shows("paused: it asks for a code")
        keeper.tell(reconnects=1)
        assert screen.shows("open on 127.0.0.1:8888")
        assert "paused" not in screen.text()


@pytest.mark.parametrize("how", ["secret", "text"])
def test_a_code_is_asked_for_and_can_be_corrected_while_it_is_typed(
    short_tmp: Path, how: str
) -> None:
    """Single keys are read at other times: then nothing is seen, and nothing is taken back."""
    with watched(short_tmp) as (screen, keeper):
        keeper.tell()
        assert screen.shows("last heard")
        keeper.ask(how, "Your code: ")
        assert screen.shows("Your code:")
        screen.type("123999\x7f\x7f\x7f456")
        assert screen.shows("Your code: 123456", 0.5) is (how == "text")
        screen.type("\r")
        assert keeper.heard() == {"answer": "123456"}
        keeper.tell(heard_s=7.0)
        assert screen.shows("last heard 7 s ago")
        screen.type("q")
        assert keeper.heard() == {"leave": "close"}


def test_q_answers_at_once_while_the_keeper_says_nothing(short_tmp: Path) -> None:
    with watched(short_tmp) as (screen, keeper):
        keeper.tell(state="reconnecting", **{"try": 1})
        assert screen.shows("reconnecting")
        screen.type("q")
        assert keeper.heard(0.5) == {"leave": "close"}


def test_the_browser_is_not_opened_into_an_outage(short_tmp: Path) -> None:
    with watched(short_tmp) as (screen, keeper):
        keeper.tell(state="reconnecting", **{"try": 1})
        assert screen.shows("reconnecting")
        screen.type("o")
        assert screen.shows("not now: the connection is being made again")
