"""The whole journey on servers that allow little: rows 25, 26 and their neighbours."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.idle_cut import idle_cut
from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.outside import Notebook

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.timeout(120)

LIMITS = (
    "MaxSessions 1",
    "MaxStartups 1:100:1",
    "MaxAuthTries 1",
    "LoginGraceTime 5",
    "RekeyLimit 1M",
    "ClientAliveInterval 1",
)
IDLE = 2.0  # seconds without a byte, after which the connection is cut on its way
EAGER = "ServerAliveInterval 1"


@contextlib.contextmanager
def lab_with(*lines: str) -> Iterator[Lab]:
    with short_folder() as folder, running_lab(folder, lines=lines, client_lines=(EAGER,)) as lab:
        yield lab


def the_whole_journey(lab: Lab, env: Path) -> None:
    laptop = lab.laptop
    laptop.ok("up", "gpubox", "-d", "--no-browser", "--name", "w", "--use-env", str(env))
    book = Notebook(laptop.ok("url").out.strip())
    kernel = book.start_kernel()
    for _ in range(3):  # Jupyter lets a kernel say no more than that a second
        assert book.run(kernel, "print('x' * 700_000)") == "x" * 700_000 + "\n"
    time.sleep(IDLE + 1)
    assert book.run(kernel, "print(6 * 7)") == "42\n"
    assert laptop.ok("exec", "gpubox/w", "--", "echo", "there").out == "there\n"
    laptop.ok("attach", "gpubox/w", "-d")
    assert Notebook(laptop.ok("url").out.strip()).kernels() == [kernel]
    assert laptop.ok("--json", "down", "--yes").data()["left"] == []


def test_all_limits_at_once_and_a_firewall_that_forgets_idle_connections(
    jupyter_env: Path,
) -> None:
    with lab_with(*LIMITS, "LogLevel DEBUG1") as lab, idle_cut(lab.server.port, IDLE) as cut:
        lab.server.put_behind(cut.port)
        the_whole_journey(lab, jupyter_env)
        logins, log = lab.server.accepted(), lab.server.log()
        assert (cut.cuts, logins) == (0, 1)
        assert len(re.findall("SSH2_MSG_KEXINIT sent", log)) >= 3


@pytest.mark.endurance
@pytest.mark.parametrize("line", LIMITS)
def test_each_limit_by_itself(line: str, jupyter_env: Path) -> None:
    with lab_with(line) as lab:
        the_whole_journey(lab, jupyter_env)
        assert lab.server.accepted() == 1
