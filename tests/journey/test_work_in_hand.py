"""What a person has under way in a workspace: kernels that compute, programs of its terminals."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import psutil
import pytest

from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, running_lab
from tests.support.outside import Notebook
from tests.support.sshd import gives_terminals

__all__ = ["jupyter_env"]

in_a_terminal = pytest.mark.skipif(
    not gives_terminals(), reason="needs root: sshd gives terminals to group tty"
)
BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: sum(range(9999))"


@pytest.fixture
def work(short_tmp: Path, jupyter_env: Path) -> Iterator[Lab]:
    """gpubox/project runs, for one test alone."""
    with running_lab(short_tmp, shell="/bin/bash") as lab:
        (lab.laptop.project / "environment.yml").unlink()
        lab.laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env))
        yield lab


def typed(lab: Lab, *words: str) -> pexpect.spawn[str]:
    """gpuws in a real terminal."""
    return pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", *words],
        cwd=str(lab.laptop.project),
        env={**lab.laptop.env, "TERM": "xterm", "NO_COLOR": "1"},
        dimensions=(24, 200),
        encoding="utf-8",
        timeout=20,
    )


def terminal(lab: Lab) -> pexpect.spawn[str]:
    """`gpuws shell`, at its prompt."""
    child = typed(lab, "shell", "gpubox")
    child.expect(r"[$#] ")
    return child


def code_of(child: pexpect.spawn[str]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    status: int | None = child.exitstatus
    return status


# --- kernels ------------------------------------------------------------------------------------


def state_of(book: Notebook, kernel: str) -> str:
    state: str = book.ask(f"api/kernels/{kernel}")["execution_state"]
    return state


@pytest.fixture
def computing(work: Lab) -> tuple[Notebook, str]:
    """A kernel of the workspace in the middle of a long sum."""
    book = Notebook(work.laptop.ok("url").out.strip())
    kernel = book.start_kernel()
    book.begin(kernel, BUSY)
    deadline = time.monotonic() + 15
    while state_of(book, kernel) != "busy" and time.monotonic() < deadline:
        time.sleep(0.05)
    return book, kernel


def test_down_asks_about_a_kernel_that_computes_and_stops_only_after_a_yes(
    work: Lab, computing: tuple[Notebook, str]
) -> None:
    done = work.laptop.run("--json", "down", "gpubox")
    assert done.code == 2
    error = done.json()["error"]
    assert error["code"] == "prompt-needed"
    assert "1 kernel(s) of gpubox/project are busy" in error["message"]
    assert "--yes" in error["hint"]

    child = typed(work, "down", "gpubox")
    child.expect(r"are busy; stop them\? \[y/N\]")
    child.sendline("n")
    assert code_of(child) == 10
    assert "--yes" in (child.before or "")
    assert state_of(*computing) == "busy"

    gone = work.laptop.ok("--json", "down", "gpubox", "--yes").data()
    assert (gone["stopped"], gone["left"]) == (["project"], [])


# --- terminals ----------------------------------------------------------------------------------


@in_a_terminal
def test_a_shell_is_in_the_environment_inside_tmux_and_leaves_the_workspace_running(
    work: Lab, jupyter_env: Path
) -> None:
    child = terminal(work)
    child.sendline("echo at:$(command -v python):$PWD:${TMUX%%,*}:")
    run = r"/[^:]*/tmux\.sock"
    child.expect(
        rf"at:{re.escape(str(jupyter_env))}/bin/python:{work.root}/projects/project:{run}:"
    )
    child.sendline("exit")
    assert code_of(child) == 0
    [host] = work.laptop.ok("--json", "status").data()["hosts"]
    assert [each["state"] for each in host["workspaces"]] == ["running"]


@pytest.fixture
def programs(work: Lab, tmp_path: Path) -> tuple[psutil.Process, psutil.Process]:
    """One started with nohup and one with setsid, from a terminal that is closed by now."""
    child = terminal(work)
    child.sendline(f"nohup sleep 301 >/dev/null 2>&1 & echo $! >{tmp_path}/nohup")
    child.sendline(f"setsid sh -c 'echo $$ >{tmp_path}/setsid; exec sleep 302' </dev/null &")
    child.sendline(f"until test -s {tmp_path}/setsid; do sleep 0.1; done; echo both-$((1 + 1))")
    child.expect("both-2")
    child.sendline("exit")
    assert code_of(child) == 0
    pids = [int((tmp_path / name).read_text()) for name in ("nohup", "setsid")]
    return psutil.Process(pids[0]), psutil.Process(pids[1])


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@in_a_terminal
def test_down_lists_what_was_started_from_terminals_and_ends_it_after_a_yes(
    work: Lab, programs: tuple[psutil.Process, psutil.Process]
) -> None:
    refused = work.laptop.run("down", "gpubox")
    assert refused.code == 2
    assert "--yes or --keep-running" in refused.err
    assert all(map(runs, programs))

    child = typed(work, "down", "gpubox")
    child.expect(r"still running: (.*)\. End them\?")
    assert isinstance(child.match, re.Match)
    listed = child.match.group(1)
    assert f"{programs[0].pid} sleep 301" in listed
    assert f"{programs[1].pid} sleep 302" in listed
    child.sendline("y")
    assert code_of(child) == 0
    assert not any(map(runs, programs))


@in_a_terminal
def test_down_with_keep_running_leaves_it_and_names_it(
    work: Lab, programs: tuple[psutil.Process, psutil.Process]
) -> None:
    done = work.laptop.ok("--json", "down", "gpubox", "--keep-running").data()
    assert (done["stopped"], done["left"]) == (["project"], [])
    for process in programs:
        assert runs(process)
        assert any(str(process.pid) in each for each in done["kept"])
