"""`gpuws env`: what a change of the file leaves behind, back to it, and its space back."""

from __future__ import annotations

import contextlib
import getpass
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.journey.conftest import Lab
from tests.support.dockerfile_reader import instructions
from tests.support.laptop import PIP_ONLY
from tests.support.outside import Notebook

pytestmark = pytest.mark.timeout(240)

MORE = PIP_ONLY + "      - iniconfig==2.0.0\n"


def environments(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.laptop.ok("--json", "env", "list", "gpubox").data()[
        "environments"
    ]
    return found


@contextlib.contextmanager
def sleeping_in(prefix: str) -> Iterator[int]:
    """Somebody's program, started from the environment's own python outside the workspace."""
    command = [f"{prefix}/bin/python", "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(command)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def has(lab: Lab, package: str) -> bool:
    code = f"import importlib.util; print(importlib.util.find_spec('{package}') is not None)"
    return lab.laptop.ok("exec", "gpubox", "--", "python", "-c", code).out.strip() == "True"


def exports(lab: Lab) -> None:
    """What was written, and what was installed by hand since; gpuws reads its own words."""
    asked = lab.laptop.ok("env", "export").out
    assert "- jupyterlab\n" in asked
    assert "- iniconfig==2.0.0  # installed by hand" in asked
    pinned = lab.laptop.ok("--json", "env", "export", "--pinned").data()["text"]
    assert "jupyterlab==" in pinned
    assert "tornado" not in pinned
    image = [each.text for each in instructions(lab.laptop.ok("env", "export", "--dockerfile").out)]
    assert any("iniconfig==2.0.0" in each and "tornado==" in each for each in image)
    exact = lab.laptop.ok("env", "export", "--exact").out
    assert "tornado==" in exact
    lab.laptop.write("environment.yml", exact)
    assert lab.laptop.ok("--json", "env", "diff").data()["file"] == "changed"


def drift(lab: Lab) -> None:
    """A package of today, by hand."""
    run = lab.laptop.ok
    clean = run("--json", "env", "diff").data()
    assert (clean["file"], clean["recorded"], clean["added"]) == ("same", True, [])
    assert clean["asked_for"] == 2
    assert clean["pulled_in"] > clean["asked_for"]
    pip = ("exec", "gpubox", "--", "python", "-m", "pip", "install", "-q", "iniconfig==2.0.0")
    run(*pip)
    [added] = run("--json", "env", "diff").data()["added"]
    assert (added["name"], added["version"], added["by"]) == ("iniconfig", "2.0.0", "pip")
    exports(lab)
    lab.laptop.write("environment.yml", PIP_ONLY)
    other = lab.laptop.run("--json", "up", "gpubox", "--name", "other")
    assert (other.code, other.json()["error"]["code"]) == (8, "environment-drifted")
    assert "iniconfig==2.0.0" in other.json()["error"]["message"]
    assert not (lab.root / "workspaces/other/workspace.json").exists()
    lab.laptop.write("environment.yml", MORE)
    told = run("env", "diff").out
    assert "+ iniconfig==2.0.0" in told
    assert "declares another one" in told
    assert re.search(rf"iniconfig==2.0.0  \(by {getpass.getuser()}, 20.*, asked for\)", told)
    lab.laptop.write("environment.yml", PIP_ONLY + "      - iniconfig>=99\n")
    unmet = run("--json", "env", "diff").data()["unmet"]
    assert unmet == ["iniconfig>=99: 2.0.0 is installed"]
    lab.laptop.write("environment.yml", PIP_ONLY)


def test_a_change_is_beside_the_old_one_rolled_back_and_collected(lab: Lab) -> None:
    """The first kernel keeps its environment; no removal touches what anybody uses."""
    run = lab.laptop.ok
    lab.laptop.write("environment.yml", MORE)
    old = run("--json", "up", "gpubox").data()["environment"]
    book = Notebook(run("url").out.strip())
    kernel = book.start_kernel()

    lab.laptop.write("environment.yml", PIP_ONLY)  # a line less
    assert "restart" in run("--json", "up", "gpubox").err
    compared = run("--json", "env", "diff").data()
    assert (compared["file"], compared["unasked"], compared["unmet"]) == (
        "changed",
        ["iniconfig"],
        [],
    )
    [new, before] = environments(lab)
    assert (new["used_by"], before["used_by"]) == ([], ["demo"])
    assert before["hash"] == old["hash"]
    assert len(before["processes"]) >= 2  # Jupyter and the kernel
    assert book.run(kernel, "import iniconfig; print(1)") == "1\n"
    assert run("--json", "env", "gc", "gpubox", "--dry-run").data()["would"] == [new["prefix"]]

    switched = run("--json", "up", "gpubox", "--restart", "--yes").data()["environment"]
    assert (switched["action"], switched["hash"]) == ("updated", new["hash"])
    assert not has(lab, "iniconfig")
    [new, before] = environments(lab)
    assert (new["used_by"], new["names"]) == (["demo"], ["demo"])
    assert (before["used_by"], before["earlier_of"]) == ([], ["demo"])
    assert before["kb"] > 1000
    assert "rollback of demo" in run("env", "list", "gpubox").out
    assert run("--json", "env", "gc", "gpubox", "--yes").data()["removed"] == []

    drift(lab)
    back = run("--json", "env", "rollback", "gpubox", "--yes").data()
    assert back["workspace"] == "gpubox/demo"
    assert has(lab, "iniconfig")
    [new, before] = environments(lab)
    assert (before["used_by"], before["names"]) == (["demo"], ["demo"])
    assert new["earlier_of"] == ["demo"]
    refused = lab.laptop.run("--json", "up", "gpubox")
    assert refused.code == 10  # the file says something else: not silently forward again
    forward = run("--json", "up", "gpubox", "--restart", "--yes").data()["environment"]
    assert forward["hash"] == new["hash"]

    used = lab.laptop.run("--json", "env", "remove", "gpubox", "demo", "--yes")
    assert (used.code, used.json()["error"]["code"]) == (10, "environment-in-use")
    gone = run("--json", "env", "remove", "gpubox", before["hash"][:6], "--yes").data()
    assert gone["removed"] == [before["prefix"]]
    assert gone["kb"] == before["kb"]
    assert not (lab.root / "envs" / before["hash"]).exists()
    nothing = lab.laptop.run("--json", "env", "rollback", "gpubox", "--yes")
    assert (nothing.code, nothing.json()["error"]["code"]) == (8, "environment-not-found")

    with sleeping_in(new["prefix"]) as pid:
        kept = run("--json", "down", "--rm-env", "--yes").data()["kept"]
        assert f"{new['prefix']}: processes use it: {pid}" in kept
        assert new["prefix"] not in kept
    assert run("--json", "env", "gc", "gpubox", "--yes").data()["removed"] == []
    run("down", "gpubox/demo", "--purge", "--yes")
    collected = run("--json", "env", "gc", "gpubox", "--yes").data()
    assert collected["removed"] == [new["prefix"]]
    assert [each.name for each in (lab.root / "envs").iterdir()] == []
    assert environments(lab) == []
    assert "no environment" in run("env", "list", "gpubox").out


def test_a_package_is_added_to_the_file_and_built_or_neither(lab: Lab) -> None:
    run = lab.laptop.run
    path = lab.laptop.write("environment.yml", PIP_ONLY)
    failed = run("--json", "env", "add", "gpubox", "--pip", "no-such-distribution-anywhere==1")
    assert failed.code == 8
    assert failed.json()["error"]["message"].endswith("environment.yml is as it was")
    assert path.read_text() == PIP_ONLY

    made = lab.laptop.ok("--json", "env", "add", "gpubox", "--pip", "iniconfig==2.0.0").data()
    assert path.read_text() == PIP_ONLY + "      - iniconfig==2.0.0\n"
    assert made["environment"]["action"] == "created"
    assert has(lab, "iniconfig")
    again = run("--json", "env", "add", "gpubox", "--pip", "iniconfig")
    assert (again.code, again.json()["error"]["code"]) == (3, "environment-file-invalid")
    prefix = made["environment"]["prefix"]
    gone = lab.laptop.ok("--json", "down", "--rm-env", "--yes").data()
    assert prefix in gone["removed"]
    assert prefix not in gone["kept"]
    assert environments(lab) == []


def test_down_offers_to_write_down_what_was_changed_by_hand(lab: Lab) -> None:
    run = lab.laptop.ok
    run("--json", "up", "gpubox")
    pip = ("exec", "gpubox", "--", "python", "-m", "pip", "install", "-q", "iniconfig==2.0.0")
    run(*pip)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", "down"],
        cwd=str(lab.laptop.project),
        env={**lab.laptop.env, "TERM": "xterm", "NO_COLOR": "1"},
        dimensions=(24, 300),
        encoding="utf-8",
        timeout=30,
    )
    child.expect(r"gpubox/demo was changed by hand \(\+1\): write it to environment.snapshot.yml")
    child.sendline("y")
    child.expect(r"wrote +(\S+/environment.snapshot.yml)")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    written = lab.laptop.project / "environment.snapshot.yml"
    assert "- iniconfig==2.0.0  # installed by hand" in written.read_text()
    kept = run("--json", "down", "gpubox/demo", "--rm-env", "--snapshot", "--yes").data()
    assert [Path(each).name for each in kept["snapshots"]] == ["environment.snapshot-2.yml"]
    assert (lab.laptop.project / "environment.snapshot-2.yml").read_text() == written.read_text()
