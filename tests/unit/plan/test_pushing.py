"""What a host says of archives, and the line that tells how far a push is."""

from __future__ import annotations

import pytest

from gpuws.plan.pushing import Held, held_from, lanes, line

SIZES = (100, 200, 300)


def test_whole_ones_parts_and_room_are_understood() -> None:
    answers = {"have": ["1"], "part": ["3 299", "2 200"], "free": ["2048"]}
    assert held_from(answers, SIZES) == Held(frozenset({0}), {2: 299, 1: 200}, 2 << 20)


@pytest.mark.parametrize(
    "answers",
    [
        {"have": ["0", "4", "-1", "", "x", "1 2", "٣", "9" * 30]},
        {"part": ["1", "1 0", "1 101", "4 5", "0 5", "1 -5", "1 5 5", "x 5", "1 5x"]},
        {"free": ["-1", "", "lots"]},
        {},
    ],
)
def test_what_makes_no_sense_counts_as_not_said(answers: dict[str, list[str]]) -> None:
    assert held_from(answers, SIZES) == Held(frozenset(), {}, None)


def test_more_lanes_far_away_and_never_more_than_archives() -> None:
    assert lanes(0.1, 151) > lanes(0.0, 151) > 1
    assert lanes(0.1, 1) == lanes(0.1, 0) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            (34, 151, 412_000_000, 1_021_000_000, 87e6),
            "packages 34 of 151, 412 MB of 1.0 GB, 87 MB/s, 7 s left",
        ),
        (
            (0, 2, 0, 40_000_000_000, 1e6),
            "packages 0 of 2, 0 bytes of 40.0 GB, 1 MB/s, 11.1 h left",
        ),
        (
            (1, 2, 999, 120_000, 700.0),
            "packages 1 of 2, 999 bytes of 120 kB, 700 bytes/s, 3 min left",
        ),
        ((0, 2, 0, 5_000, 0.0), "packages 0 of 2, 0 bytes of 5 kB"),
        ((3, 2, 9_000, 5_000, 1000.0), "packages 2 of 2, 5 kB of 5 kB, 1 kB/s, 0 s left"),
        ((3, 9, 7_000_000, 0, 2e6), "packages 3 of 9, 7 MB, 2 MB/s"),
    ],
)
def test_the_line_says_how_far_how_fast_and_how_long(
    given: tuple[int, int, int, int, float], said: str
) -> None:
    assert line(*given) == said
