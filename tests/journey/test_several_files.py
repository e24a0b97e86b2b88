"""`-f` more than once: the files are one environment, for every verb that takes them."""

from __future__ import annotations

import os
import re

import pytest

from tests.journey.conftest import Lab
from tests.support.lab import prefer_own_port
from tests.support.laptop import PIP_ONLY, Done

pytestmark = pytest.mark.timeout(240)

ONE = "name: vision\ndependencies:\n  - pip\n  - pip:\n      - iniconfig==1.0\n      - rich\n"
LATER = "iniconfig==2.0.0\n"
BOTH = "name: vision\ndependencies:\n  - pip\n  - pip:\n      - rich\n      - iniconfig==2.0.0\n"


def prefix(done: Done) -> str:
    """The environment that a dry run would build."""
    [found] = re.findall(r"build \S+/envs/([0-9a-f]{16}) with", "\n".join(done.data()["steps"]))
    return str(found)


def test_several_files_are_the_environment_of_one_wherever_they_are_named(lab: Lab) -> None:
    (lab.laptop.project / "more").mkdir()
    one, later = lab.laptop.write("one.yml", ONE), lab.laptop.write("more/later.txt", LATER)
    lab.laptop.write("both.yml", BOTH)
    plan = ("--json", "up", "gpubox", "--dry-run")
    wanted = lab.laptop.ok(*plan, "-f", "both.yml")
    named = lab.laptop.ok(*plan, "-f", "one.yml", "-f", "more/later.txt")
    assert prefix(named) == prefix(wanted)
    assert named.data()["workspace"] == "gpubox/vision"
    note = "more/later.txt:1: iniconfig==2.0.0 replaces iniconfig==1.0 of one.yml:5"
    assert note in named.data()["steps"]

    prefer_own_port(lab.laptop, f"    environment: [{one}, {later}]\n")
    assert prefix(lab.laptop.ok(*plan)) == prefix(wanted)
    lab.laptop.env["GPUWS_FILE"] = f"one.yml{os.pathsep}more/later.txt"
    assert prefix(lab.laptop.ok(*plan)) == prefix(wanted)


def test_a_package_goes_to_the_last_file_and_is_taken_out_where_all_cannot_be_built(
    lab: Lab,
) -> None:
    lab.laptop.write("environment.yml", PIP_ONLY)
    extras = lab.laptop.write("extras.txt", "pywin32==306\n")
    add = ("--json", "env", "add", "gpubox", "-f", "environment.yml", "-f", "extras.txt")
    asked = lab.laptop.run("--no-input", *add, "iniconfig==2.0.0")
    assert (asked.code, asked.json()["error"]["code"]) == (2, "prompt-needed")
    assert "extras.txt is an export from Windows" in asked.json()["error"]["message"]
    assert asked.json()["error"]["message"].endswith("extras.txt is as it was")
    assert extras.read_text() == "pywin32==306\n"

    failed = lab.laptop.run(*add, "--yes", "no-such-distribution-anywhere==1")
    said = failed.json()["error"]["message"]
    assert (failed.code, extras.read_text()) == (8, "pywin32==306\n")
    assert said.startswith("environment.yml + extras.txt with uv: a package is not in")
    assert said.endswith("extras.txt is as it was")
    assert (lab.laptop.project / "environment.yml").read_text() == PIP_ONLY


def test_env_add_changes_the_file_that_up_builds_from(lab: Lab) -> None:
    """Also where a project's own gpuws.yaml names it."""
    (lab.laptop.project / "env").mkdir()
    lab.laptop.write("gpuws.yaml", "environment: env/own.txt\n")
    own = lab.laptop.write("env/own.txt", "rich\n")
    before = (lab.laptop.project / "environment.yml").read_text()
    failed = lab.laptop.run("--json", "env", "add", "gpubox", "no-such-distribution-anywhere==1")
    assert failed.code == 8
    assert failed.json()["error"]["message"].endswith("own.txt is as it was")
    assert own.read_text() == "rich\n"
    assert (lab.laptop.project / "environment.yml").read_text() == before
