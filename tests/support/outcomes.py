"""What each test came to, and which skips were agreed on."""

from __future__ import annotations

import fnmatch
import sys
from pathlib import Path
from typing import TypedDict

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings tomli where the standard library has no reader
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

SKIPS = Path(__file__).parents[1] / "skips.toml"
NAMES = {
    "passed": "passed",
    "failed": "failed",
    "error": "error",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}


class Row(TypedDict):
    test: str
    outcome: str
    seconds: float
    reason: str


class Accepted(TypedDict):
    test: str
    reason: str


def rows(stats: dict[str, list[pytest.TestReport]]) -> list[Row]:
    """One row a test, sorted by name; ``stats`` is the terminal reporter's."""
    found = [
        Row(
            test=report.nodeid,
            outcome=outcome,
            seconds=round(getattr(report, "duration", 0.0), 3),
            reason=_reason(report),
        )
        for key, outcome in NAMES.items()
        for report in stats.get(key, [])
    ]
    return sorted(found, key=lambda row: row["test"])


def _reason(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail)
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return ""


def accepted(path: Path = SKIPS) -> list[Accepted]:
    entries: list[Accepted] = tomllib.loads(path.read_text(encoding="utf-8")).get("skip", [])
    for entry in entries:
        if set(entry) != {"test", "reason"} or not entry["reason"].strip():
            raise ValueError(f"{path}: each skip needs a test and a reason, not {entry}")
    return entries


def unlisted(rows: list[Row], entries: list[Accepted] | None = None) -> list[str]:
    """The skips (and expected failures) nobody agreed on, as lines to print."""
    agreed = accepted() if entries is None else entries
    return [
        f"{row['outcome']} and not in tests/skips.toml: {row['test']} ({row['reason']})"
        for row in rows
        if row["outcome"] in ("skipped", "xfailed", "xpassed")
        and not any(_covers(entry, row) for entry in agreed)
    ]


def _covers(entry: Accepted, row: Row) -> bool:
    same = entry["test"] == row["test"] or fnmatch.fnmatchcase(row["test"], entry["test"])
    return same and entry["reason"] in row["reason"]
