"""When a lost connection is tried again, and how its state reads: tables."""

from __future__ import annotations

from typing import Any

import pytest

from gpuws.errors import EXIT_OF, Exit, GpuwsError, prompt_needed
from gpuws.plan.healing import Verdict, pause, verdict, words

SLOWLY = {"not-ssh", "host-key-unknown", "host-key-changed", "host-key-revoked"}
AGAIN = {"name-not-resolved", "unknown-host", "connection-refused", "connection-timeout",
         "connection-lost", "proxy-command-failed", "jump-failed", "remote-timeout",
         "host-unreachable"}  # fmt: skip
"""unknown-host: a name that led to the host before, asked where there is no DNS."""


@pytest.mark.parametrize("code", sorted(EXIT_OF))
def test_every_error_has_its_verdict(code: str) -> None:
    wanted = Verdict.PERSON
    if code in SLOWLY:
        wanted = Verdict.SLOWLY
    elif code in AGAIN:
        wanted = Verdict.AGAIN
    assert verdict(GpuwsError(code, "")) is wanted


@pytest.mark.parametrize(
    "code", [code for code, to in EXIT_OF.items() if to is Exit.AUTHENTICATION]
)
def test_a_login_that_was_cut_off_may_have_been_the_network(code: str) -> None:
    assert verdict(GpuwsError(code, "", retryable=True)) is Verdict.AGAIN
    assert verdict(GpuwsError(code, "")) is Verdict.PERSON


def test_a_question_that_nobody_could_answer_waits_for_a_person() -> None:
    assert verdict(prompt_needed("Code: ")) is Verdict.PERSON


@pytest.mark.parametrize(
    ("why", "tries", "least", "most"),
    [
        (Verdict.AGAIN, 1, 0.6, 1.5),
        (Verdict.AGAIN, 59, 0.6, 1.5),
        (Verdict.AGAIN, 60, 1.6, 4.0),
        (Verdict.AGAIN, 100_000, 1.6, 4.0),
        (Verdict.SLOWLY, 1, 10.0, 12.0),
        (Verdict.SLOWLY, 1000, 10.0, 12.0),
    ],
)
def test_pauses_grow_late_and_are_spread(
    why: Verdict, tries: int, least: float, most: float
) -> None:
    assert pause(why, tries, 0.0) == pytest.approx(least)
    assert pause(why, tries, 1.0) == pytest.approx(most)
    assert least < pause(why, tries, 0.5) < most


TUNNEL: dict[str, Any] = {
    "state": "open", "local_port": 8888, "heard_s": 1.2, "latency_ms": 0.0, "connections": 3,
    "bytes_in": 2_000_000, "bytes_out": 500_000, "reconnects": 0, "try": 0, "next_s": 0.0,
    "reason": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "open on 127.0.0.1:8888, last heard 1 s ago, 3 connections, 2.5 MB"),
        (
            {"latency_ms": 101.4},
            "open on 127.0.0.1:8888, last heard 1 s ago, 101 ms away, 3 connections, 2.5 MB",
        ),
        (
            {"state": "reconnecting", "heard_s": 31.0, "try": 7, "next_s": 1.4},
            "last heard 31 s ago, reconnecting (try 7, next in 1 s)",
        ),
        (
            {"state": "reconnecting", "heard_s": 15.0, "try": 1},
            "last heard 15 s ago, reconnecting (try 1, now)",
        ),
        ({"state": "paused", "reason": "it asks for a code"}, "paused: it asks for a code"),
    ],
)
def test_the_state_of_a_tunnel_in_words(changes: dict[str, Any], said: str) -> None:
    assert words({**TUNNEL, **changes}) == said


def test_connections_that_were_made_again_are_counted_in_words() -> None:
    assert " 2 " in words({**TUNNEL, "reconnects": 2})
