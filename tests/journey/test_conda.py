"""environment.yml of conda kind: the stand-in micromamba over a real channel, a real kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import micromamba
from tests.support.conda_channel import Channel, make_channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel, conda_jupyter_channel
from tests.support.conda_packages import module
from tests.support.lab import Lab, prefer_own_port, running_lab
from tests.support.outside import Notebook

__all__ = ["conda_cache", "conda_channel", "conda_jupyter_channel"]

pytestmark = pytest.mark.timeout(300)

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


def environment(channel: str, *packages: str) -> str:
    lines = "".join(f"  - {each}\n" for each in (f"python={VERSION}", *packages))
    return (
        f"name: demo\nchannels:\n  - {channel}\ndependencies:\n{lines}variables:\n  ADDED: 1.10\n"
    )


@pytest.fixture
def calls(short_tmp: Path) -> Path:
    return short_tmp / "calls"


@pytest.fixture
def conda_lab(short_tmp: Path, calls: Path) -> Iterator[Lab]:
    """A host with micromamba on its PATH."""
    tool = micromamba.install(short_tmp / "bin")
    env = {"PATH": f"{tool.parent}{os.pathsep}{SYSTEM}", micromamba.CALLS: str(calls)}
    with running_lab(short_tmp, env=env) as lab:
        yield lab


def test_a_conda_environment_is_built_activated_and_never_solved_again(
    conda_lab: Lab, conda_jupyter_channel: Channel, calls: Path
) -> None:
    run = conda_lab.laptop.ok
    with serve(conda_jupyter_channel) as served:
        packages = ("jupyterlab", "ipykernel", "activated")
        conda_lab.laptop.write("environment.yml", environment(served.url, *packages))
        first = run("--json", "up", "gpubox").data()["environment"]
        assert (first["tool"], first["action"]) == ("micromamba", "created")
        assert any("create" in words for words in micromamba.calls(calls))
        assert served.log
        book = Notebook(run("url").out.strip())
        told = book.run(book.start_kernel(), KERNEL).splitlines()
        assert told[0] == first["prefix"] == told[1]
        assert told[2] == "1.10"
        assert told[3] == first["prefix"]

        served.log.clear()
        calls.unlink()
        again = run("--json", "up", "gpubox").data()["environment"]
        assert again["action"] == "none"
        run("down", "--yes")
        third = run("--json", "up", "gpubox").data()["environment"]
        assert third["action"] == "reused"
        assert [third["prefix"], again["prefix"]] == [first["prefix"]] * 2
        assert served.log == []
        assert micromamba.calls(calls) == []
        assert "conda activate" in run("status").out
        run("down", "--yes")


KERNEL = (
    "import os, sys; print(sys.prefix, os.environ['CONDA_PREFIX'], os.environ['ADDED'], "
    "os.environ.get('ACTIVATED_BY'), sep='\\n')"
)


def test_a_host_without_any_tool_gets_micromamba_from_the_channel(
    short_tmp: Path, conda_channel: Channel
) -> None:
    with running_lab(short_tmp, env={"PATH": SYSTEM}) as lab, serve(conda_channel) as served:
        prefer_own_port(lab.laptop, f"    channels: [{served.url}]\n")
        lab.laptop.write("environment.yml", environment(served.url, "with-prefix"))
        done = lab.laptop.ok("--json", "up", "gpubox", "--no-jupyter")
        made = done.data()["environment"]
        assert (made["tool"], made["action"]) == ("micromamba", "created")
        assert (lab.root / "tools/bin/micromamba").exists()
        assert any("/micromamba-" in path for path in served.log)
        assert "micromamba" in done.err
        told = lab.laptop.ok(
            "exec", "gpubox", "--", "python", "-c", "import sys; print(sys.prefix)"
        )
        assert told.out == made["prefix"] + "\n"
        lab.laptop.ok("down", "--yes")


def test_an_unknown_package_is_exit_8_in_the_solvers_words(
    conda_lab: Lab, conda_channel: Channel
) -> None:
    text = environment(conda_channel.url, "no-such-package-anywhere")
    conda_lab.laptop.write("environment.yml", text)
    done = conda_lab.laptop.run("--json", "up", "gpubox", "--no-jupyter")
    assert done.code == 8
    error = done.json()["error"]
    assert error["code"] == "package-not-found"
    assert "no-such-package-anywhere" in error["message"]
    assert "environment.yml:6 (no-such-package-anywhere)" in error["hint"]
    assert "\n" not in error["message"]
    assert "no-such-package-anywhere" in done.err.partition("error:")[0]  # the log's own lines
    assert not list(conda_lab.root.glob("envs/*/.gpuws-complete"))


def test_the_log_of_a_first_build_that_failed_can_be_read(
    conda_lab: Lab, conda_channel: Channel
) -> None:
    conda_lab.laptop.write("environment.yml", environment(conda_channel.url, "no-such-package"))
    assert conda_lab.laptop.run("up", "gpubox", "--no-jupyter").code == 8
    for place in ("gpubox/demo", "gpubox"):
        told = conda_lab.laptop.ok("logs", place, "--build")
        assert "micromamba 2.8.1 makes the environment" in told.out
        assert "no-such-package" in told.out
    assert conda_lab.laptop.run("logs", "gpubox/demo").code == 11
    nobody = conda_lab.laptop.run("logs", "gpubox/nobody", "--build")
    assert nobody.code == 11
    assert "there is no workspace nobody" in nobody.err


def test_a_package_that_cannot_be_imported_is_never_switched_to(
    conda_lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    broken = "raise ImportError('libneeded.so.1: cannot open shared object file')\n"
    extra = make_channel(
        tmp_path / "broken",
        pythons=(),
        standard=False,
        extra=(module("numpy", "9.0", text=broken),),
    )
    run = conda_lab.laptop
    run.write("environment.yml", environment(conda_channel.url, "numpy"))
    good = run.ok("--json", "up", "gpubox", "--no-jupyter").data()["environment"]["prefix"]
    text = environment(extra.url, "numpy").replace("\ndep", f"\n  - {conda_channel.url}\ndep")
    run.write("environment.yml", text)
    done = run.run("--json", "up", "gpubox", "--no-jupyter", "--restart")
    assert (done.code, done.json()["error"]["code"]) == (8, "health-check-failed")
    assert "libneeded.so.1" in done.err
    told = run.ok("exec", "gpubox", "--", "python", "-c", "import numpy, sys; print(sys.prefix)")
    assert told.out == good + "\n"
    prefer_own_port(run, "    check: none\n")
    run.ok("up", "gpubox", "--no-jupyter", "--restart")
    run.ok("down", "--yes")
