"""A host without a tmux to use: one is brought from the channel, else the session does without."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.journey.test_conda import environment
from tests.support import micromamba
from tests.support.conda_channel import Channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.lab import Lab, prefer_own_port, running_lab, tools_without
from tests.support.tmux_package import tmux_channel

__all__ = ["conda_cache", "conda_channel"]

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux"),
]

LACKING = ("tmux", "micromamba", "mamba", "conda")


@pytest.fixture
def bare_lab(short_tmp: Path) -> Iterator[Lab]:
    """A host that has neither tmux nor a conda tool."""
    path = tools_without(short_tmp / "bin", *LACKING)
    with running_lab(short_tmp, env={"PATH": path}) as lab:
        yield lab


def server_of(lab: Lab) -> str:
    """What the workspace's tmux server runs: the executable of its process."""
    [record] = (lab.root / "run").glob("w-*/tmux.pid")
    return str(Path(f"/proc/{record.read_text().split()[0]}/exe").readlink())


def test_a_host_without_tmux_gets_one_from_the_channel_and_all_runs_in_it(
    bare_lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    lab, run = bare_lab, bare_lab.laptop.ok
    with serve(tmux_channel(tmp_path / "channel")) as tmux, serve(conda_channel) as packages:
        prefer_own_port(lab.laptop, f"    channels: [{tmux.url}, {packages.url}]\n")
        lab.laptop.write("environment.yml", environment(packages.url, "with-prefix"))
        first = run("--json", "up", "gpubox", "--no-jupyter")
        assert first.data()["session"]["engine"] == "tmux"
        [said] = [line for line in first.err.splitlines() if "usable tmux: tmux" in line]
        assert f"was brought to {lab.root}/tools/tmux/bin/tmux" in said
        assert server_of(lab) == str((lab.root / "tools/tmux").resolve() / "bin/tmux")
        [built] = [
            each for each in lab.root.glob("builds/*/lock.*") if " tmux " in str(each.readlink())
        ]
        assert built.parent.name == first.data()["environment"]["hash"]
        fetched = [path.rsplit("/", 1)[1] for path in tmux.log + packages.log]
        for once in ("micromamba-", "tmux-"):
            assert sum(name.startswith(once) for name in fetched) == 1, once

        tmux.log.clear()
        run("down", "--yes")
        again = run("--json", "up", "gpubox", "--no-jupyter")
        assert again.data()["session"]["engine"] == "tmux"
        assert "tmux" not in again.err
        assert "superseded" not in again.err
        run("down", "--yes")
        assert run("--json", "env", "gc", "gpubox", "--yes").data()["removed"] == []
        assert tmux.log == []
    gone = run("--json", "down", "gpubox", "--purge", "--all", "--yes").data()
    assert gone["left"] == []
    assert not lab.root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an sshd that is not root's may not hand out a tty")
def test_a_shell_runs_in_the_tmux_that_was_brought(
    bare_lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    lab = bare_lab
    with serve(tmux_channel(tmp_path / "channel")) as tmux, serve(conda_channel) as packages:
        prefer_own_port(lab.laptop, f"    channels: [{tmux.url}, {packages.url}]\n")
        lab.laptop.write("environment.yml", environment(packages.url, "with-prefix"))
        lab.laptop.ok("up", "gpubox", "-d", "--no-jupyter")
        assert shell_says(lab, "echo in:$TMUX").startswith(f"{lab.root}/run/w-")
        lab.laptop.ok("down", "--yes")


def shell_says(lab: Lab, command: str) -> str:
    """What a command typed into `gpuws shell` says, from its first slash on."""
    env = {**lab.laptop.env, "TERM": "xterm"}
    env.pop("TMUX", None)
    words = [sys.executable, "-m", "gpuws", "shell", "gpubox"]
    child = pexpect.spawn(words[0], words[1:], env=env, cwd=lab.laptop.project, timeout=30)
    child.expect(r"0:\w*sh")  # tmux's own line; what is typed before is not for it
    child.sendline(f"{command}:end")
    child.expect_exact("in:/")
    child.expect_exact(":end")
    found = child.before
    child.sendline("exit")
    child.expect(pexpect.EOF)
    assert isinstance(found, bytes)
    return f"/{found.decode()}"


def test_where_the_channel_has_no_tmux_the_session_does_without_and_says_so(
    bare_lab: Lab, conda_channel: Channel
) -> None:
    lab, run = bare_lab, bare_lab.laptop.ok
    with serve(conda_channel) as served:
        prefer_own_port(lab.laptop, f"    channels: [{served.url}]\n")
        lab.laptop.write("environment.yml", environment(served.url, "with-prefix"))
        first = run("--json", "up", "gpubox", "--no-jupyter")
        assert first.data()["session"]["engine"] == "setsid"
        [said] = [line for line in first.err.splitlines() if "setsid" in line]
        assert said.startswith("note: the host has no usable tmux, and none could be brought")
        assert "tmux with micromamba: a package is not in the channels" in said
        assert run("exec", "gpubox", "--", "echo", "there").out == "there\n"

        served.log.clear()
        run("down", "--yes")
        again = run("--json", "up", "gpubox", "--no-jupyter")
        assert f"{said}; --restart tries again" in again.err
        assert served.log == []
        run("--json", "up", "gpubox", "--no-jupyter", "--restart", "--yes")
        assert served.log != []
    run("down", "gpubox", "--yes")


def test_a_host_that_reaches_no_channel_does_without_too(bare_lab: Lab) -> None:
    prefer_own_port(bare_lab.laptop, "    channels: ['http://me:hunter2@127.0.0.1:9/none']\n")
    words = ("--json", "up", "gpubox", "--use-env", sys.prefix, "--no-jupyter")
    done = bare_lab.laptop.ok(*words)
    assert done.data()["session"]["engine"] == "setsid"
    assert "none could be brought (micromamba cannot be brought to the host)" in done.err
    bare_lab.laptop.ok("down", "gpubox", "--yes")
    again = bare_lab.laptop.ok(*words)
    assert "(micromamba cannot be brought to the host)" in again.err
    assert "--restart tries again" in again.err
    planned = bare_lab.laptop.ok("up", "gpubox", *words[3:], "--restart", "--dry-run")
    assert "bring tmux from http://127.0.0.1:9/none with micromamba" in planned.out
    assert "hunter2" not in done.err + again.err + planned.out
    bare_lab.laptop.ok("down", "gpubox", "--yes")


def test_a_tmux_that_is_too_old_is_as_good_as_none(bare_lab: Lab, tmp_path: Path) -> None:
    lab = bare_lab
    old = Path(lab.home).parent / "bin/tmux"
    old.write_text("#!/bin/sh\necho tmux 1.6\n")
    old.chmod(0o755)
    channel = tmux_channel(tmp_path / "channel")
    prefer_own_port(lab.laptop, f"    channels: [{channel.url}]\n")
    done = lab.laptop.run("up", "gpubox", "--use-env", sys.prefix, "--no-jupyter")
    assert "the host's tmux 1.6 is too old: tmux" in done.err
    assert done.code == 0, done.err
    assert server_of(lab).startswith(f"{lab.root}/envs/")
    lab.laptop.ok("down", "gpubox", "--yes")


def test_a_down_while_tmux_is_being_brought_ends_the_up_too(
    short_tmp: Path, tmp_path: Path
) -> None:
    path = tools_without(short_tmp / "bin", *LACKING)
    channel = tmux_channel(tmp_path / "channel")
    with running_lab(short_tmp, env={"PATH": path, micromamba.FAULT: "hang:1"}) as lab:
        prefer_own_port(lab.laptop, f"    channels: [{channel.url}]\n")
        process = lab.laptop.start("up", "gpubox", "--use-env", sys.prefix, "--no-jupyter")
        deadline = time.monotonic() + 20
        while not list(lab.root.glob("builds/*/pid")) and time.monotonic() < deadline:
            time.sleep(0.05)
        [host] = lab.laptop.ok("--json", "status", "gpubox").data()["hosts"]
        assert [each["state"] for each in host["workspaces"]] == ["building"]
        lab.laptop.ok("down", "gpubox", "--yes")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 8, err
        assert "the build was ended before it was complete" in err
        assert not (lab.root / "workspaces").exists()
