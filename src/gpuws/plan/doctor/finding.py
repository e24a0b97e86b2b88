"""One check, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from gpuws.errors import EXIT_OF, Exit

T = TypeVar("T")
PAGE = "docs/reference/doctor.md"


class Verdict(str, Enum):
    """In the order of telling. Only a problem makes `gpuws doctor` fail."""

    PROBLEM = "problem"  # `gpuws up` would fail
    WARNING = "warning"  # something of gpuws would not work, or not for long
    ADVICE = "advice"  # gpuws works, and something is not as safe or as good as it could be
    UNKNOWN = "unknown"  # it could not be asked
    OK = "ok"


@dataclass(frozen=True)
class Said:
    """A judgement. ``fix``: what to do, "" for what the check's row says; ``code``: the error that
    `gpuws up` would end with, where the check knows several."""

    verdict: Verdict
    seen: str
    fix: str = ""
    code: str = ""


@dataclass(frozen=True)
class Check(Generic[T]):
    """One row. ``about``: for the page, what is asked and why; ``fix``: the usual next step;
    ``judge`` answers None where nothing is known; ``exit``: of a problem whose id is no error
    code; ``codes``: other errors that a problem may be named after."""

    id: str
    title: str
    about: str
    fix: str
    judge: Callable[[T], Said | None]
    exit: Exit = Exit.HOST_LACKS
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What is told of a check. ``fix`` is "" where nothing is to be done."""

    id: str
    title: str
    verdict: Verdict
    seen: str
    fix: str
    docs: str


def ok(seen: str) -> Said:
    return Said(Verdict.OK, seen)


def advice(seen: str, fix: str = "") -> Said:
    return Said(Verdict.ADVICE, seen, fix)


def warning(seen: str, fix: str = "") -> Said:
    return Said(Verdict.WARNING, seen, fix)


def problem(seen: str, fix: str = "", code: str = "") -> Said:
    return Said(Verdict.PROBLEM, seen, fix, code)


def found(
    checks: Iterable[Check[T]], examined: T, *, unknown: str = "not known"
) -> tuple[Finding, ...]:
    """Every check once, in the order of the table. ``unknown``: what is said of those that know
    nothing."""
    nothing = Said(Verdict.UNKNOWN, unknown)
    return tuple(_finding(check, check.judge(examined) or nothing) for check in checks)


def _finding(check: Check[T], said: Said) -> Finding:
    docs = f"{PAGE}#{check.id}"
    settled = said.verdict in (Verdict.OK, Verdict.UNKNOWN)
    fix = "" if settled else said.fix or check.fix
    return Finding(said.code or check.id, check.title, said.verdict, said.seen, fix, docs)


def finding_from(told: dict[str, Any]) -> Finding:
    """Of what crossed from a keeper as JSON."""
    return Finding(**{**told, "verdict": Verdict(told["verdict"])})


def exit_of(findings: Iterable[Finding], checks: Iterable[Check[T]]) -> int:
    """0 without a problem, else the exit code of the first one."""
    own = {check.id: check.exit for check in checks}
    for each in findings:
        if each.verdict is Verdict.PROBLEM:
            return int(EXIT_OF.get(each.id) or own[each.id])
    return 0
