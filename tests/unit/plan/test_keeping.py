"""How long a login is kept: hosts.yaml, then ssh's own ControlPersist, then eight hours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.plan.keeping import MOST, USUAL, duration, keeping, persistence, words
from gpuws.plan.model import HostEntry, Profile

PROFILE = Profile("box", "box", 22, "me")
ENTRY = HostEntry("box")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8h", 28800), ("1h30m", 5400), ("600", 600), ("2D", 172800), ("10s", 10), ("0", 0)],
)
def test_times_are_read_as_ssh_reads_them(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8 h", "h", "-1", "1.5h", "8x", "yes", "8h-", "\u0668h"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("master", "persist", "seconds"),
    [
        ("auto", "600", 600),
        ("auto", "yes", MOST),
        ("auto", "0", MOST),  # ssh: for ever
        ("auto", "no", None),
        ("false", "600", None),  # ssh keeps no master, so its time says nothing
    ],
)
def test_control_persist_counts_where_ssh_would_keep_a_login(
    master: str, persist: str, seconds: float | None
) -> None:
    assert persistence(master, persist) == seconds


def test_the_entry_wins_then_the_profile_then_the_usual() -> None:
    kept = replace(PROFILE, control_persist=600.0)
    assert keeping(replace(ENTRY, keep_login=60.0), kept) == 60
    assert keeping(replace(ENTRY, keep_login=0.0), kept) == 0
    assert keeping(ENTRY, kept) == 600
    assert keeping(ENTRY, PROFILE) == USUAL
    assert keeping(ENTRY, replace(PROFILE, control_persist=1e9)) == MOST


@pytest.mark.parametrize(
    ("seconds", "said"), [(28800, "8 h"), (5400, "90 min"), (90, "90 s"), (MOST, "7 days")]
)
def test_it_is_told_in_one_unit(seconds: float, said: str) -> None:
    assert words(seconds) == said
