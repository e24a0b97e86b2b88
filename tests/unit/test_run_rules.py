"""What tests/conftest.py holds every run to, tried on small runs of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.outcomes import Accepted, Row, accepted, unlisted

TOP = Path(__file__).parents[2]
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def run_tests(
    folder: Path, text: str, workers: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(text)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GPUWS", "CI"))}
    base = f"--basetemp={folder / 'base'}"  # kept where a run fails, and these do on purpose
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            f"-n{workers}",
            base,
            "test_it.py",
        ],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(TOP), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


SKIPS = """
import pytest

def test_a():
    pytest.skip("no such card")

def test_b():
    pass
"""


def test_a_required_run_fails_on_a_skip_that_nobody_listed(tmp_path: Path) -> None:
    done = run_tests(tmp_path, SKIPS, workers=2, CI="true")
    assert done.returncode == (1 if AS_ROOT else 0)
    named = "skipped and not in tests/skips.toml: test_it.py::test_a (no such card)"
    assert (named in done.stdout) == AS_ROOT


def test_a_skip_outside_of_ci_is_no_failure(tmp_path: Path) -> None:
    assert run_tests(tmp_path, SKIPS).returncode == 0


def test_the_outcomes_are_written_where_asked(tmp_path: Path) -> None:
    run_tests(tmp_path, SKIPS, GPUWS_RESULTS=str(tmp_path / "out.json"))
    rows: list[Row] = json.loads((tmp_path / "out.json").read_text())
    assert [(row["test"], row["outcome"], row["reason"]) for row in rows] == [
        ("test_it.py::test_a", "skipped", "no such card"),
        ("test_it.py::test_b", "passed", ""),
    ]


LEAVES = """
import os, pathlib, subprocess

def test_leaves_a_daemon():
    shell = "sleep 61 >/dev/null 2>&1 </dev/null & echo $!"
    pid = subprocess.check_output(["sh", "-c", shell], start_new_session=True)
    pathlib.Path("pid").write_bytes(pid)
"""


def test_a_process_that_outlives_its_test_is_named_and_ended(tmp_path: Path) -> None:
    done = run_tests(tmp_path, LEAVES, workers=2, CI="true")
    pid = int((tmp_path / "pid").read_text())
    try:
        assert done.returncode == 1
        assert f"left running: {pid} sleep 61" in done.stdout
        assert not alive(pid)
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    for _ in range(20):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            return False
        time.sleep(0.05)
    return True


def skip(test: str, reason: str) -> Row:
    return Row(test=test, outcome="skipped", seconds=0.0, reason=reason)


@pytest.mark.parametrize(
    ("entry", "agreed"),
    [
        (Accepted(test="tests/a.py::test_x[[]dash]", reason="no fuse"), True),
        (Accepted(test="tests/a.py::test_x[dash]", reason="no fuse"), True),
        (Accepted(test="tests/a.py::*", reason="no fuse"), True),
        (Accepted(test="tests/b.py::*", reason="no fuse"), False),
        (Accepted(test="tests/a.py::*", reason="another reason"), False),
    ],
)
def test_an_agreed_skip_matches_by_name_and_reason(entry: Accepted, agreed: bool) -> None:
    rows = [skip("tests/a.py::test_x[dash]", "no fuse here")]
    assert (unlisted(rows, [entry]) == []) == agreed


def test_a_listed_skip_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "skips.toml"
    file.write_text('[[skip]]\ntest = "*"\nreason = " "\n')
    with pytest.raises(ValueError, match="needs a test and a reason"):
        accepted(file)


def test_temporary_folders_are_short_enough_for_a_socket(tmp_path: Path, short_tmp: Path) -> None:
    assert len(os.fsencode(short_tmp)) <= 20
    if str(tmp_path).startswith("/tmp/gw-"):
        assert len(os.fsencode(tmp_path)) <= 60
