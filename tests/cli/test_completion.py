"""Shell completion, asked as bash asks: by the function that `--show-completion` gives it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from tests.support.laptop import Laptop

BIN = Path(sys.executable).parent
ASK = """\
. "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_gpuws_completion gpuws
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def desk(laptop: Laptop, tmp_path: Path) -> Laptop:
    """Its address book knows gpubox/demo; hosts.yaml has lab and, with a mistake, broken."""
    laptop.hosts("hosts:\n  lab:\n    ssh: gpubox\n  broken:\n    rooot: /data\n")
    state = laptop.folder / "state"
    state.mkdir()
    book = {"workspaces": [{"host": "gpubox", "name": "demo"}]}
    (state / "workspaces.json").write_text(json.dumps(book))
    laptop.env |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    laptop.env["SCRIPT"] = str(tmp_path / "completion.bash")
    shown = ["bash", "-c", 'gpuws --show-completion >"$SCRIPT"; cat "$SCRIPT"']
    subprocess.run(shown, env=laptop.env, check=True, stdin=subprocess.DEVNULL)
    return laptop


def offered(desk: Laptop, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", "gpuws", *words],
        cwd=desk.project,
        env=desk.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("verb", ["up", "attach", "down", "url", "logs", "shell", "exec", "status"])
def test_hosts_come_from_ssh_config_hosts_yaml_and_the_address_book(
    desk: Laptop, verb: str
) -> None:
    assert offered(desk, verb, "") == ["gpubox", "trainbox", "lab", "gpubox/demo"]
    assert offered(desk, verb, "gpu") == ["gpubox", "gpubox/demo"]
    assert offered(desk, verb, "gpubox/") == ["gpubox/demo"]
    assert offered(desk, verb, "nothing") == []


def test_global_options_before_the_word_are_understood(desk: Laptop, tmp_path: Path) -> None:
    other = tmp_path / "other config"
    other.write_text("Host farbox\n")
    link = tmp_path / "config"
    link.symlink_to(other)
    assert "farbox" in offered(desk, "--json", "--ssh-config", str(link), "up", "f")
    assert "farbox" in offered(desk, "up", "--ssh-config", "=", str(link), "-d", "f")
    assert offered(desk, "--ssh-config", "f") == []
    assert offered(desk, "--json", "dow") == ["down"]
    assert offered(desk, "--timeout", "soon", "up", "gpu") == []


def test_a_real_bash_completes_what_is_typed(desk: Laptop) -> None:
    child = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        cwd=str(desk.project),
        env={**desk.env, "PS1": "ready> ", "TERM": "dumb"},
        encoding="utf-8",
        timeout=20,
    )
    child.expect("ready> ")
    child.sendline('. "$SCRIPT"; bind "set bell-style none"')
    child.expect("ready> ")
    child.send("gpuws --json up train\t")
    child.expect("up trainbox ")
    child.close()


def _broken(desk: Laptop, what: str) -> None:
    if what == "the address book":
        (desk.folder / "state/workspaces.json").write_text("{")
    elif what == "hosts.yaml":
        desk.hosts("hosts: [\n")
    elif what == "ssh config":
        desk.env["GPUWS_SSH_CONFIG"] = "/nowhere"
    else:
        desk.env["GPUWS_PORT"] = "many"


@pytest.mark.parametrize("what", ["the address book", "hosts.yaml", "ssh config", "a variable"])
def test_what_is_broken_offers_less_and_says_nothing(desk: Laptop, what: str) -> None:
    _broken(desk, what)
    all_words = {"gpubox", "trainbox", "lab", "gpubox/demo"}
    assert set(offered(desk, "up", "")) < all_words


def test_completing_writes_nothing(desk: Laptop, tmp_path: Path) -> None:
    (desk.folder / "state/workspaces.json").write_text("{")

    def seen() -> list[tuple[str, int]]:
        every = [*desk.folder.rglob("*"), *tmp_path.rglob("*")]
        return sorted((str(path), path.stat().st_mtime_ns) for path in every)

    before = seen()
    offered(desk, "up", "gpu")
    assert seen() == before


def test_completion_takes_less_than_150_ms_beside_the_interpreter(desk: Laptop) -> None:
    """Without pydantic, which typer imports where it is: it is there for tests alone. Counted is
    what the processor works, so that tests beside this one change little."""
    start = "import sys; sys.modules['pydantic'] = None; from gpuws.__main__ import main; main()"
    desk.env |= {"COMP_WORDS": "gpuws\nup\ngpu", "COMP_CWORD": "2"}
    desk.env["_GPUWS_COMPLETE"] = "complete_bash"

    def quickest(program: str) -> float:
        return min(_seconds(desk, program) for _ in range(8))

    assert "gpubox/demo" in _said(desk, start)
    assert quickest(start) - quickest("pass") < 0.15


def _seconds(desk: Laptop, program: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _said(desk, program)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _said(desk: Laptop, program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=desk.env, capture_output=True, text=True, check=True).stdout
