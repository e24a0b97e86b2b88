"""A login that needs a person is asked for once, kept for a while, and ended by a verb."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.test_contract import failure
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.near_end import eventually
from tests.support.pam import LINES, Pam, pam

CODES = tuple(f"{code}" for code in range(100_000, 100_020))
NOBODY = 65534
METHODS = "AuthenticationMethods publickey,keyboard-interactive"


@pytest.fixture(scope="module")
def codes() -> Iterator[tuple[Lab, Pam]]:
    """A host that wants a key and a one-time code, each of which is good for one login."""
    with short_folder() as folder:
        asks = pam(folder / "pam", *CODES, once=True)
        with running_lab(folder, lines=(*LINES, METHODS), place=asks.place) as lab:
            yield lab, asks


@pytest.fixture
def box(codes: tuple[Lab, Pam]) -> Iterator[Lab]:
    """Nobody is logged in, before and after."""
    lab, _ = codes
    yield lab
    lab.laptop.ok("hosts", "logout")
    assert gone(lab)  # by itself, where the login was lost and there was none to end


def typed(lab: Lab, *words: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", *words],
        cwd=str(lab.laptop.project),
        env={**lab.laptop.env, "TERM": "dumb", "NO_COLOR": "1"},
        dimensions=(24, 200),
        encoding="utf-8",
        timeout=20,
    )


def next_code(lab: Lab) -> str:
    return (lab.home.parent / "pam" / "secrets").read_text().split()[0]


def with_a_code(lab: Lab, *words: str) -> tuple[int | None, str]:
    """(exit code, what it said) of a command that asks for a code."""
    child = typed(lab, *words)
    child.expect("Password: ")
    child.sendline(next_code(lab))
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


def test_a_code_is_asked_once_and_every_other_verb_uses_that_login(box: Lab) -> None:
    """Row 23: asked once a day, not once a verb."""
    before = box.server.accepted()
    code, said = with_a_code(box, "env", "list", "gpubox")
    assert code == 0, said
    assert "stays logged in to gpubox until" in said and "8 h after its last use" in said
    box.laptop.ok("env", "list", "gpubox")
    (host,) = box.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    assert host["reachable"]
    assert 8 * 3600 - 60 < host["kept_until"] - time.time() <= 8 * 3600
    assert "`gpuws hosts logout gpubox` ends it" in box.laptop.ok("status", "gpubox").out
    assert box.server.accepted() == before + 1


def test_logout_ends_it_and_nobody_is_asked_behind_a_terminals_back(box: Lab) -> None:
    with_a_code(box, "env", "list", "gpubox")
    done = box.laptop.ok("--json", "hosts", "logout", "gpubox")
    assert done.data() == {"hosts": ["gpubox"], "closed": []}
    assert box.laptop.keepers() == [] and box.server.sessions() == []
    error = failure(box.laptop.run("--json", "env", "list", "gpubox"), 4)
    assert error["code"] == "authentication-failed"
    assert "nobody can type it here" in str(error["message"])
    assert box.laptop.keepers() == []
    assert box.laptop.ok("hosts", "logout", "gpubox").out == "no login to gpubox is open\n"


def test_a_connection_that_is_lost_is_not_made_again_before_somebody_asks(box: Lab) -> None:
    with_a_code(box, "env", "list", "gpubox")
    knocks = box.server.log().count("Connection from")
    box.server.end_sessions()
    assert gone(box)
    assert box.server.log().count("Connection from") == knocks
    code, said = with_a_code(box, "status", "gpubox")
    assert code == 0 and "stays logged in until" in said


def test_another_user_of_the_laptop_cannot_use_the_login(box: Lab) -> None:
    with_a_code(box, "env", "list", "gpubox")
    (path,) = (box.laptop.folder / "state" / "run").glob("*.sock")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for folder in path.parents[1:4]:  # down to this test's own in /tmp
        folder.chmod(0o755)
    assert knocked(path, 0) == "in"
    assert knocked(path, NOBODY) == "Permission denied"
    path.parent.chmod(0o755)  # the socket itself is closed to others too
    assert knocked(path, NOBODY) == "Permission denied"
    path.parent.chmod(0o700)


def knocked(path: Path, uid: int) -> str:
    """What that user hears who tries to connect."""
    knock = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        "try: s.connect(sys.argv[1]); print('in')\n"
        "except OSError as error: print(error.strerror)\n"
    )
    command = [sys.executable, "-I", "-c", knock, str(path), str(uid)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_it_ends_by_itself_that_long_after_its_last_use(box: Lab) -> None:
    box.laptop.hosts("hosts:\n  gpubox:\n    keep_login: 2s\n")
    begun = time.monotonic()
    _, said = with_a_code(box, "env", "list", "gpubox")
    assert "2 s after its last use" in said
    assert gone(box)
    assert time.monotonic() - begun > 2
    assert box.server.sessions() == []
    box.laptop.hosts("")


def gone(lab: Lab) -> bool:
    """Whether the background process ends by itself."""
    return eventually(lambda: lab.laptop.keepers() == [], 20)


def test_a_login_that_is_not_to_be_kept_is_made_by_the_verb_itself(box: Lab) -> None:
    box.laptop.hosts("hosts:\n  gpubox:\n    keep_login: no\n")
    knocks = box.server.log().count("Connection from")
    code, said = with_a_code(box, "env", "list", "gpubox")
    assert code == 0 and "stays" not in said
    assert box.server.log().count("Connection from") == knocks + 1
    assert box.laptop.keepers() == [] and box.server.sessions() == []
    box.laptop.hosts("")


def test_a_whole_day_takes_one_code_for_each_connection(box: Lab, jupyter_env: Path) -> None:
    """Row 23: up, exec, a connection that is lost, attach, logout, exec, down."""
    before = box.server.accepted()
    code, said = with_a_code(
        box, "up", "gpubox", "-d", "--no-browser", "--use-env", str(jupyter_env)
    )
    assert code == 0 and "stays logged in to gpubox until" in said, said
    assert box.laptop.ok("exec", "gpubox", "--", "cat", stdin="typed").out == "typed"
    assert box.server.accepted() == before + 1
    knocks = box.server.log().count("Connection from")
    box.server.end_sessions()
    tunnel = paused(box)
    assert "needs a person: `gpuws attach gpubox` logs in again" in tunnel["reason"]
    time.sleep(2)
    assert box.server.log().count("Connection from") == knocks
    code, said = with_a_code(box, "attach", "gpubox", "-d", "--no-browser")
    assert code == 0 and box.server.accepted() == before + 2
    ended = box.laptop.ok("--json", "hosts", "logout", "gpubox").data()
    assert ended == {"hosts": ["gpubox"], "closed": ["gpubox/project"]}
    assert typed_behind_a_code(box, "exec", "gpubox", "--", "head", "-n", "1") == 0
    assert box.server.accepted() == before + 3
    down = box.laptop.ok("down", "gpubox", "--all", "-y", "--no-snapshot")
    assert "note: stays logged in to gpubox until" in down.err
    assert len(box.laptop.keepers()) == 1


def typed_behind_a_code(lab: Lab, *words: str) -> int | None:
    """The code is not the command's, and what comes behind it is."""
    child = typed(lab, *words)
    child.expect("Password: ")
    child.sendline(next_code(lab))
    child.expect("stays logged in")
    time.sleep(0.5)
    child.sendline("hello from the keyboard")
    child.expect("hello from the keyboard\r\n.*hello from the keyboard")
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def paused(box: Lab) -> dict[str, Any]:
    """The tunnel of the only workspace, once it waits for somebody."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (host,) = box.laptop.run("--json", "status", "gpubox").data()["hosts"]
        tunnel: dict[str, Any] = host["workspaces"][0]["tunnel"]
        if tunnel["state"] == "paused":
            return tunnel
        time.sleep(0.2)
    raise AssertionError(tunnel)
