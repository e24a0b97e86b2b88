"""Without a lock: what a changed file asks for as before stays as it was built, until an update."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.test_conda import calls, environment
from tests.journey.test_conda import conda_lab as lab
from tests.support import micromamba
from tests.support.conda_channel import Channel, make_channel
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.conda_package import Package
from tests.support.conda_packages import plain
from tests.support.lab import Lab

__all__ = ["calls", "conda_cache", "conda_channel", "lab"]

pytestmark = pytest.mark.timeout(120)

UP = ("--json", "up", "gpubox", "--no-jupyter", "--yes")
UPDATE = ("--json", "env", "update", "gpubox", "--no-jupyter")


@pytest.fixture
def channel(short_tmp: Path) -> Path:
    """One that grows, beside the one that has python."""
    folder = short_tmp / "channel"
    grow(folder, plain("one", "1.0"), plain("two", "1.0"))
    return folder


def grow(folder: Path, *packages: Package) -> None:
    make_channel(folder, pythons=(), standard=False, extra=packages)


def asks(lab: Lab, folder: Path, base: Channel, *packages: str) -> None:
    text = environment(base.url, *packages)
    lab.laptop.write("environment.yml", text.replace("\n  - ", f"\n  - {folder.as_uri()}\n  - ", 1))


def version(prefix: str, name: str) -> str:
    return Path(prefix, "share", name, "version").read_text().strip()


def test_a_changed_file_moves_nothing_else_and_an_update_does(
    lab: Lab, channel: Path, conda_channel: Channel, calls: Path
) -> None:
    run = lab.laptop.ok
    asks(lab, channel, conda_channel, "one")
    first = run(*UP).data()["environment"]
    assert version(first["prefix"], "one") == "1.0-0"
    grow(channel, plain("one", "2.0"))

    asks(lab, channel, conda_channel, "one", "two")
    done = run(*UP)
    assert "2 package(s) that the file asks for as before stay" in done.err
    beside = done.data()["beside"]
    assert (version(beside, "one"), version(beside, "two")) == ("1.0-0", "1.0-0")
    switched = run(*UP, "--restart").data()["environment"]
    assert (switched["prefix"], switched["action"]) == (beside, "updated")
    built = len(micromamba.calls(calls))
    assert f"use {beside};" in run(*UP, "--dry-run").data()["steps"][0]
    assert run("--json", "env", "diff").data()["file"] == "same"
    shared = run(*UP, "--name", "other").data()["environment"]
    assert (shared["prefix"], shared["action"]) == (beside, "reused")
    assert len(micromamba.calls(calls)) == built

    nothing = lab.laptop.run("env", "update", "gpubox", "three")
    assert nothing.code == 2
    assert "does not ask for three" in nothing.err
    updated = run(*UPDATE)
    assert "moved: one 1.0 -> 2.0" in updated.err
    new = updated.data()["beside"]
    assert new not in (first["prefix"], beside)
    assert version(new, "one") == "2.0-0"
    assert f"use {new};" in run(*UP, "--dry-run").data()["steps"][0]
    others = run(*UP, "--name", "other", "--dry-run").data()["steps"][0]
    assert f"use {beside};" in others


def test_what_cannot_be_kept_is_let_go_once_and_told(
    lab: Lab, channel: Path, conda_channel: Channel
) -> None:
    run = lab.laptop.ok
    asks(lab, channel, conda_channel, "one", "two")
    old = run(*UP).data()["environment"]["prefix"]
    grow(channel, plain("one", "2.0"), plain("two", "2.0"), plain("three", "1.0", "one >=2"))
    asks(lab, channel, conda_channel, "one", "two", "three")
    done = run(*UP)
    assert "moved: one 1.0 -> 2.0, two 1.0 -> 2.0" in done.err
    new = done.data()["beside"]
    assert version(new, "three") == "1.0-0"
    assert "once more, all of it free" in run("logs", "gpubox", "--build").out
    assert f"use {new};" in run(*UP, "--dry-run").data()["steps"][0]

    Path(old, "conda-meta/two-1.0-0.json").unlink()  # by hand
    asks(lab, channel, conda_channel, "one", "three")
    changed = run(*UP, "--dry-run")
    assert "was changed by hand: no version of it is kept" in changed.err
