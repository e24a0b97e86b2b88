"""Each check of `gpuws doctor` says what it should, from values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gpuws.diagnosis import lines
from gpuws.errors import EXIT_OF, Exit
from gpuws.plan.doctor.finding import Finding, Verdict, exit_of, found
from gpuws.plan.doctor.laptop import LAPTOP as LAPTOP_CHECKS
from gpuws.plan.doctor.network import outward_groups
from gpuws.plan.doctor.seen import Seen, seen_from
from gpuws.plan.doctor.table import HOST
from gpuws.plan.doctor.way import STEPS, WAY, step_of
from gpuws.plan.mirrors import PRESETS
from gpuws.plan.model import HostEntry
from tests.unit.plan.doctor.cases import (
    GOOD,
    HOST_CASES,
    LAPTOP,
    LAPTOP_CASES,
    NEVER_FAILS,
    Case,
    ended,
    facts,
    outward,
)

ANY_ERROR = {"jump-failed", "remote-shell"}  # at a jump host, and behind the login
CODES = {
    **{check.id: check.codes for check in HOST},
    **{check.id: check.codes for check in LAPTOP_CHECKS},
}


def examined(**change: Any) -> tuple[Finding, ...]:
    return found(HOST, replace(GOOD, **change), unknown="not reached")


def by_check(checks: Sequence[Any], findings: Sequence[Finding]) -> dict[str, Finding]:
    return {check.id: each for check, each in zip(checks, findings, strict=True)}


def case_name(case: Case) -> str:
    return f"{case.id}-{case.verdict}"


# --- the table as a whole -------------------------------------------------------------------------


def test_every_check_is_seen_to_fail_by_a_case() -> None:
    ids = [*(check.id for check in HOST), *(check.id for check in LAPTOP_CHECKS)]
    assert len(set(ids)) == len(ids)
    seen_to_fail = {case.id for case in (*HOST_CASES, *LAPTOP_CASES)}
    assert set(ids) - seen_to_fail == set(NEVER_FAILS)
    assert seen_to_fail <= set(ids)


def test_a_host_without_a_fault_passes_every_check() -> None:
    findings = examined()
    assert [each for each in findings if each.verdict is not Verdict.OK] == []
    assert all(each.seen and not each.fix for each in findings)


def test_a_laptop_without_a_fault_passes_every_check() -> None:
    findings = found(LAPTOP_CHECKS, LAPTOP)
    assert [each for each in findings if each.verdict is not Verdict.OK] == []


@pytest.mark.parametrize("case", HOST_CASES, ids=case_name)
def test_a_fault_of_a_host_is_told_with_what_to_do(case: Case) -> None:
    assert_told(by_check(HOST, examined(**case.change)), case)


@pytest.mark.parametrize("case", LAPTOP_CASES, ids=case_name)
def test_a_fault_of_the_laptop_is_told_with_what_to_do(case: Case) -> None:
    findings = found(LAPTOP_CHECKS, replace(LAPTOP, **case.change))
    assert_told(by_check(LAPTOP_CHECKS, findings), case)


def assert_told(findings: dict[str, Finding], case: Case) -> None:
    finding = findings[case.id]
    assert (finding.verdict, finding.id) == (case.verdict, case.code or case.id)
    assert finding.id in {case.id, *CODES[case.id]} or case.id in ANY_ERROR
    assert finding.seen and finding.fix
    assert finding.docs == f"docs/reference/doctor.md#{case.id}"
    problems = {each.id for each in findings.values() if each.verdict is Verdict.PROBLEM}
    assert problems == ({finding.id} if case.verdict == "problem" else set())


# --- the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(EXIT_OF))
def test_an_error_of_the_way_ends_it_at_its_step(code: str) -> None:
    """What came before is fine, what comes after was not reached."""
    step = step_of(code)
    if not step:
        return
    findings = found(WAY, replace(GOOD, **ended(code)))[: len(STEPS)]
    at = STEPS.index(step)
    told = [each.verdict.value for each in findings]
    assert told == ["ok"] * at + ["problem"] + ["unknown"] * (len(STEPS) - at - 1)
    assert findings[at].id == code


def test_errors_that_are_no_step_of_the_way_have_none() -> None:
    assert {step_of(code) for code in ("interrupted", "bug", "usage", "locked")} == {""}


# --- what a script gets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, Exit.OK),
        ({"noise": "hello", "clock_s": 100.0}, Exit.OK),
        (ended("host-key-changed"), Exit.HOST_KEY),
        (ended("connection-timeout"), Exit.NETWORK),
        (facts(gpus=(), slurm=True), Exit.HOST_LACKS),
        ({"clock_s": 90_000.0}, Exit.HOST_LACKS),
        (outward("channel", "index"), Exit.ENVIRONMENT),
        ({"forwarding": (("tcp", "no"), ("socket", "no"))}, Exit.TUNNEL),
    ],
)
def test_the_first_problem_gives_the_exit_code(change: dict[str, Any], code: Exit) -> None:
    assert exit_of(examined(**change), HOST) == int(code)


def test_problems_are_told_first_and_the_last_line_counts() -> None:
    told = lines("box", examined(noise="hello", **ended("host-key-changed")))
    assert told[0].startswith("PROBLEM  host key")
    assert told[1].split() == ["fix:", "do", "this"]
    assert told[-1].startswith("box: 1 problem; ")
    unknown = next(line for line in told if line.startswith("unknown"))
    assert "not reached" in unknown and "login" in unknown
    assert max(map(len, told)) <= 100


def test_a_good_host_is_one_calm_table() -> None:
    told = lines("box", examined())
    assert all(line.startswith(("ok ", " ")) for line in told[:-1])
    assert told[-1] == f"box: nothing to mend; {len(HOST)} checks are fine"


# --- where packages come from ---------------------------------------------------------------------


def test_the_way_out_is_asked_by_hosts_yaml() -> None:
    entry = HostEntry("box", channels=("nvidia",), pip_index="https://i/simple")
    entry = replace(entry, mirror=replace(PRESETS["tuna"], huggingface="https://h", own_hub=True))
    channel, index, hub = outward_groups(entry)
    assert channel[1][0].endswith("tuna.tsinghua.edu.cn/anaconda/cloud/nvidia")
    assert channel[1][-1] == "nvidia"
    assert (index[1], hub[1]) == (("https://i/simple",), ("https://h",))
    assert outward_groups(HostEntry("box"))[0] == ("channel", ("conda-forge",))


# --- the host's answer ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("folder", "root\t/r\text4\tmuch\t1\t1\texec\tyes"),
        ("folder", "root\t../r\text4\t1\t1\t1\texec\tyes"),
        ("folder", "root\t/r"),
        ("jupyter", "/e\t\x1b[31m"),
        ("jupyter", "e\t2.20.0"),
        ("server", "0\tevery\t8888\topen"),
        ("server", "7\tevery\t70000\topen"),
        ("server", "7\tnobody\t8888\topen"),
        ("socket", "/" + "x" * 200),
    ],
)
def test_what_is_absurd_is_not_believed(key: str, line: str) -> None:
    seen = seen_from({key: [line], "answered": ["folders", "jupyters", "servers", "sockets"]})
    assert seen == Seen()
