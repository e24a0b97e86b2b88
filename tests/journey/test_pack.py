"""`env pack` and `env unpack`: from one real host to another, and what runs there afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import micromamba
from tests.support.conda_channel import Channel
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.lab import Lab, running_lab
from tests.support.two_hosts import Other, other_host

__all__ = ["conda_cache", "conda_channel"]

pytestmark = pytest.mark.timeout(120)

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture
def lab(short_tmp: Path) -> Iterator[Lab]:
    """A host with micromamba on its PATH."""
    tool = micromamba.install(short_tmp / "bin")
    with running_lab(short_tmp, env={"PATH": f"{tool.parent}{os.pathsep}{SYSTEM}"}) as lab:
        yield lab


@pytest.fixture(params=["x", "a-home-that-is-much-longer"])
def other(lab: Lab, short_tmp: Path, request: pytest.FixtureRequest) -> Iterator[Other]:
    """One without any tool."""
    with other_host(lab, short_tmp, request.param, {"PATH": SYSTEM}) as made:
        yield made


def built(lab: Lab, channel: Channel) -> dict[str, Any]:
    lines = "".join(
        f"  - {each}\n" for each in (f"python={VERSION}", "with-prefix", "hello", "activated")
    )
    text = f"name: demo\nchannels:\n  - {channel.url}\ndependencies:\n{lines}"
    lab.laptop.write("environment.yml", text)
    made = lab.laptop.ok("--json", "up", "gpubox", "--no-jupyter").data()["environment"]
    assert made["tool"] == "micromamba"
    found: dict[str, Any] = made
    return found


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done
    return done.stdout.strip()


def test_a_conda_environment_travels_in_a_file_and_works_at_its_new_place(
    lab: Lab, conda_channel: Channel, other: Other
) -> None:
    run = lab.laptop.ok
    made = built(lab, conda_channel)
    packed = run("--json", "env", "pack", "gpubox").data()
    file = lab.laptop.project / f"demo-{made['hash'][:8]}.tar.gz"
    assert (packed["file"], packed["hash"]) == (str(file), made["hash"])
    assert packed["archive_bytes"] == file.stat().st_size

    there = run("--json", "env", "unpack", file.name, "trainbox").data()
    prefix = other.root / "envs" / made["hash"]
    assert (there["prefix"], there["action"], there["left"]) == (str(prefix), "created", [])
    assert said(str(prefix / "bin/hello")) == f"hello from {prefix}"
    assert said(str(prefix / "bin/with-prefix")) == str(prefix)
    assert f"root={prefix}/etc" in (prefix / "share/with-prefix/text.conf").read_text()
    old = made["prefix"].encode()
    data = (prefix / "share/with-prefix/data.bin").read_bytes()
    assert len(data) == (Path(made["prefix"]) / "share/with-prefix/data.bin").stat().st_size
    assert data.split(b"\0")[1] == f"{prefix}/share/data".encode()
    assert data.endswith(b"\0tail\0")
    for path in prefix.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc":
            assert old not in path.read_bytes(), path

    up = run("--json", "up", "trainbox", "--no-jupyter").data()["environment"]
    assert (up["action"], up["prefix"], up["tool"]) == ("reused", str(prefix), "micromamba")
    code = "import os, sys; print(sys.prefix, os.environ['ACTIVATED_BY'])"
    assert run("exec", "trainbox", "--", "python", "-c", code).out == f"{prefix} {prefix}\n"
    again = run("--json", "env", "unpack", file.name, "trainbox").data()
    assert again["action"] == "reused"
    run("down", "gpubox", "--yes")
    run("down", "trainbox", "--yes")
