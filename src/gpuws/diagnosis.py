"""What `gpuws doctor` tells a person: a calm table, problems first, each with what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gpuws.plan.doctor.finding import Finding, Verdict

_WIDTH = 100
_TITLE = 22
_MARGIN = 9 + _TITLE  # columns before what was seen


def lines(what: str, findings: Sequence[Finding]) -> list[str]:
    """``what`` was examined: a host's name, or "this laptop"."""
    told: list[str] = []
    for verdict in (Verdict.PROBLEM, Verdict.WARNING, Verdict.ADVICE, Verdict.OK):
        for each in findings:
            if each.verdict is verdict:
                told += _rows(each)
    unknown = [each.title for each in findings if each.verdict is Verdict.UNKNOWN]
    if unknown:
        why = next(each.seen for each in findings if each.verdict is Verdict.UNKNOWN)
        told += _wrapped(f"{'unknown':9}{why:{_TITLE}}", ", ".join(unknown))
    return [*told, _closing(what, findings)]


def _rows(each: Finding) -> list[str]:
    word = each.verdict.value.upper() if each.verdict is Verdict.PROBLEM else each.verdict.value
    told = _wrapped(f"{word:9}{each.title:{_TITLE}}", each.seen)
    return told + (_wrapped(f"{'':{_MARGIN - 5}}fix: ", each.fix) if each.fix else [])


def _wrapped(head: str, text: str) -> list[str]:
    rows = [
        row
        for line in text.splitlines()
        for row in textwrap.wrap(line, _WIDTH - _MARGIN, break_long_words=False) or [""]
    ]
    return [(head if number == 0 else " " * _MARGIN) + row for number, row in enumerate(rows)]


def _closing(what: str, findings: Sequence[Finding]) -> str:
    counted = dict.fromkeys(Verdict, 0)
    for each in findings:
        counted[each.verdict] += 1
    bad = [
        _count(counted[Verdict.PROBLEM], "problem"),
        _count(counted[Verdict.WARNING], "warning"),
        _count(counted[Verdict.ADVICE], "piece of advice", "pieces of advice"),
    ]
    said = ", ".join(each for each in bad if each) or "nothing to mend"
    unknown = counted[Verdict.UNKNOWN]
    rest = f", {unknown} could not be asked" if unknown else ""
    return f"{what}: {said}; {counted[Verdict.OK]} checks are fine{rest}"


def _count(number: int, one: str, many: str = "") -> str:
    if number == 0:
        return ""
    return f"1 {one}" if number == 1 else f"{number} {many or one + 's'}"
