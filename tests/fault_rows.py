"""The page of fault cases, made from a run: `GPUWS_RESULTS=out.json python3 dev.py test`, then
`python -m tests.fault_rows out.json`. A skip is no pass, and a case without a test says why."""

from __future__ import annotations

import fnmatch
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.support.outcomes import Row

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings tomli where the standard library has no reader
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

ROWS = Path(__file__).with_name("rows.toml")
PAGE = Path(__file__).parents[1] / "docs/explanation/fault-rows.md"
_HEAD = """\
# Fault cases, by number

Made from a run of {tests:,} tests on {day} by `python -m tests.fault_rows`; the numbers are those
of the project's catalogue of faults, the patterns behind them stand in tests/rows.toml. What is
"not shown" was not seen to hold in that run, and what is left open of a case is said.

| | case | said | left open |
|---|---|---|---|
"""


def rows() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = tomllib.loads(ROWS.read_text(encoding="utf-8"))
    return found


def page(results: Iterable[Row]) -> str:
    ran = list(results)
    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return _HEAD.format(tests=len(ran), day=day) + "".join(_lines(ran))


def _lines(ran: list[Row]) -> Iterator[str]:
    for number, row in rows().items():
        found = {
            each["test"]: each["outcome"]
            for each in ran
            if any(fnmatch.fnmatchcase(each["test"], pattern) for pattern in row["tests"])
        }
        yield f"| {number} | {row['what']} | {_said(found)} | {row.get('open', '')} |\n"


def _said(found: dict[str, str]) -> str:
    counted = Counter(found.values())
    if not counted.get("passed"):
        return "not shown"
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted.items()))


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(Path(sys.argv[1]).read_text())), encoding="utf-8")
