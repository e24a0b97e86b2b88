"""Servers that forbid forwarding, in part or altogether: found before anything is built for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.outside import Notebook, carriers

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.timeout(120)

NO_SOCKETS = "AllowStreamLocalForwarding no"
WORDS = ("-d", "--no-browser", "--name", "w")


@contextmanager
def lab_with(*lines: str) -> Iterator[Lab]:
    with short_folder() as folder, running_lab(folder, lines=lines) as lab:
        yield lab


def change_rules(lab: Lab, *lines: str) -> None:
    """The server starts again on its port with these lines; nobody is connected any more."""
    lab.laptop.end()
    lab.server.stop()
    lab.server.change(lines)
    lab.server.start()


def nonce(lab: Lab) -> str:
    found: str = json.loads((lab.root / "workspaces/w/workspace.json").read_text())["instance"]
    return found


def computes(lab: Lab) -> None:
    book = Notebook(lab.laptop.ok("url").out.strip())
    assert book.run(book.start_kernel(), "print(6 * 7)") == "42\n"


def test_without_unix_sockets_jupyter_takes_a_loopback_port_and_a_change_of_rules_is_told(
    jupyter_env: Path,
) -> None:
    """Row 27: AllowStreamLocalForwarding no."""
    with lab_with(NO_SOCKETS) as lab:
        words = ("up", "gpubox", *WORDS, "--use-env", str(jupyter_env))
        dry = lab.laptop.ok("--json", *words, "--dry-run").data()
        assert "reach Jupyter on a loopback port" in " ".join(dry["steps"])
        assert not lab.root.exists()

        made = lab.laptop.ok(*words)
        assert "Jupyter listens on a loopback port" in made.err
        endpoint = (lab.root / "workspaces/w/endpoint").read_text()
        assert endpoint.startswith("tcp:")
        computes(lab)

        change_rules(lab, "PermitOpen 127.0.0.1:1")
        refused = lab.laptop.run("--json", "attach", "gpubox/w").json()["error"]
        assert refused["code"] == "forwarding-refused"
        assert "w listens on a loopback port" in refused["message"]
        assert "PermitOpen" in refused["message"]

        change_rules(lab)
        lab.laptop.ok("attach", "gpubox/w", "-d")
        computes(lab)
        lab.laptop.ok("up", "gpubox", *WORDS, "--use-env", str(jupyter_env), "--restart", "--yes")
        assert (lab.root / "workspaces/w/endpoint").read_text().startswith("unix:")

        change_rules(lab, NO_SOCKETS)
        refused = lab.laptop.run("--json", "attach", "gpubox/w").json()["error"]
        assert "w listens on a Unix socket" in refused["message"]
        assert "--restart" in refused["hint"]
        lab.laptop.ok("down", "--yes")
        assert carriers(nonce(lab)) == {}


@pytest.mark.parametrize(
    "line", ["AllowTcpForwarding no", "PermitOpen 127.0.0.1:9", "DisableForwarding yes"]
)
def test_a_server_that_forbids_all_forwarding_is_named_before_anything_is_made(line: str) -> None:
    """Row 27: within 3 s of the connection, with what to do."""
    with lab_with(line) as lab:
        begun = time.monotonic()
        refused = lab.laptop.run("--json", "up", "gpubox", *WORDS)
        took = time.monotonic() - begun
        error = refused.json()["error"]
        assert (refused.code, error["code"]) == (13, "forwarding-refused")
        assert line.partition(" ")[0] in error["message"]
        assert "bridge: stdio" in error["hint"]
        assert not lab.root.exists()
        assert took < 6  # the start of two Pythons on a busy machine among it


def test_a_bridge_carries_the_whole_journey_where_nothing_else_may(jupyter_env: Path) -> None:
    """Rows 26 and 27: DisableForwarding, and one session at a time; the user asked for a bridge."""
    with lab_with("DisableForwarding yes", "MaxSessions 1") as lab:
        words = ("up", "gpubox", *WORDS, "--use-env", str(jupyter_env), "--bridge", "stdio")
        dry = lab.laptop.ok("--json", *words, "--dry-run").data()
        assert "through a bridge" in " ".join(dry["steps"])
        made = lab.laptop.ok(*words)
        assert "a site may forbid that" in made.err
        computes(lab)
        lab.laptop.ok("--bridge", "stdio", "attach", "gpubox/w", "-d")
        done = lab.laptop.ok("--bridge", "stdio", "exec", "gpubox", "--", "echo", "there")
        assert done.out == "there\n"
        down = lab.laptop.ok("--json", "--bridge", "stdio", "down", "--yes").data()
        assert (down["stopped"], down["left"]) == (["w"], [])
        assert carriers(nonce(lab)) == {}
