"""The first source that says something wins, and its name comes along."""

from __future__ import annotations

import pytest

from gpuws.config.precedence import pick


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((1, 2, 3, 4, 5), (1, "flag")),
        ((None, 2, 3, 4, 5), (2, "environment variable")),
        ((None, None, 3, 4, 5), (3, "project file")),
        ((None, None, None, 4, 5), (4, "user file")),
        ((None, None, None, None, 5), (5, "default")),
        ((0, 2, 3, 4, 5), (0, "flag")),
    ],
)
def test_the_first_that_says_something_wins(
    said: tuple[int | None, int | None, int | None, int | None, int], expected: tuple[int, str]
) -> None:
    assert pick(*said) == expected
