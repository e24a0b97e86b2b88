"""The table of fault cases names tests that exist, and takes a skip for no pass."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from tests.fault_rows import page, rows
from tests.support.outcomes import Row

TESTS = Path(__file__).parents[1]


def names() -> list[str]:
    return [
        f"tests/{path.relative_to(TESTS)}::{name}"
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    ]


def test_every_pattern_finds_a_test() -> None:
    known = names()
    for row in rows().values():
        for pattern in row["tests"]:
            file, _, name = pattern.partition("::")
            whole = f"{file}::{name.split('*')[0]}*" if not name.startswith("*") else pattern
            assert fnmatch.filter(known, whole), pattern
        assert row["tests"] or row["open"]


def test_a_skip_and_a_failure_are_no_pass() -> None:
    def said(outcome: str) -> str:
        test = "tests/unit/config/test_any_bytes.py::test_any_bytes_give_a_value_or_our_error[x]"
        ran = [Row(test=test, outcome=outcome, seconds=0.0, reason="")]
        return next(line for line in page(ran).splitlines() if line.startswith("| 82"))

    assert "| 1 passed |" in said("passed")
    assert "| not shown |" in said("skipped")
    assert "| not shown |" in said("failed")
