"""`mirror:` of hosts.yaml on a real host: told beforehand, built through, never written down."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.journey.test_conda import calls, conda_lab, environment
from tests.journey.test_without_tmux import bare_lab
from tests.support.conda_channel import Channel, serve
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.lab import Lab, prefer_own_port
from tests.support.tmux_package import tmux_channel

__all__ = ["bare_lab", "calls", "conda_cache", "conda_channel", "conda_lab"]

pytestmark = pytest.mark.timeout(240)


def mirror(lab: Lab, channel: str, more: str = "") -> None:
    """The lab's host gets its conda-forge from ``channel``."""
    lines = f"      channels:\n        conda-forge: {channel}\n"
    prefer_own_port(lab.laptop, f"{more}    mirror:\n      preset: tuna\n{lines}")


def test_a_mirror_is_told_beforehand_used_and_left_out_of_what_is_exported(
    conda_lab: Lab, conda_channel: Channel
) -> None:
    run = conda_lab.laptop.ok
    conda_lab.laptop.write("environment.yml", environment("conda-forge", "conda-forge::activated"))
    with serve(conda_channel) as served:
        mirror(conda_lab, served.url)
        steps = run("--json", "up", "gpubox", "--no-jupyter", "--dry-run").data()["steps"]
        home = "https://conda.anaconda.org/conda-forge"
        assert f"mirror tuna: conda-forge from {served.url}, else {home}" in steps
        assert served.log == []

        first = run("--json", "up", "gpubox", "--no-jupyter")
        assert f"conda-forge from {served.url.split('/')[2]}" in first.err
        assert any("/activated-" in each for each in served.log)
        served.log.clear()
        again = run("--json", "up", "gpubox", "--no-jupyter")
        assert again.data()["environment"]["action"] == "none"
        assert served.log == []
    told = run("exec", "gpubox", "--", "printenv", "HF_ENDPOINT")
    assert told.out == "https://hf-mirror.com\n"
    text = run("env", "export", "gpubox").out
    assert "  - conda-forge\n" in text
    assert "conda-forge::activated" in text
    assert "127.0.0.1" not in text
    run("down", "--yes")


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_what_gpuws_brings_itself_comes_through_the_mirror_too(
    bare_lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    lab = bare_lab
    with serve(tmux_channel(tmp_path / "channel")) as tmux, serve(conda_channel) as packages:
        more = f"        ours: {packages.url}\n"
        mirror(lab, f"{tmux.url}\n{more}".rstrip("\n"))
        lab.laptop.write("environment.yml", environment("ours", "with-prefix"))
        first = lab.laptop.ok("--json", "up", "gpubox", "--no-jupyter")
        assert first.data()["session"]["engine"] == "tmux"
        fetched = [path.rsplit("/", 1)[1] for path in tmux.log + packages.log]
        for once in ("micromamba-", "tmux-", "with-prefix-"):
            assert sum(name.startswith(once) for name in fetched) == 1, once
        lab.laptop.ok("down", "--yes")


def test_an_environment_is_the_same_with_a_mirror_and_without(
    conda_lab: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    """So that a mirror can come or go without anything being built anew."""
    conda_lab.laptop.write("environment.yml", environment("conda-forge", "activated"))
    mirror(conda_lab, conda_channel.url)
    run = conda_lab.laptop.ok
    made = run("--json", "up", "gpubox", "--no-jupyter").data()["environment"]
    run("down", "--yes")
    prefer_own_port(conda_lab.laptop)
    again = run("--json", "up", "gpubox", "--no-jupyter").data()["environment"]
    assert (again["hash"], again["action"]) == (made["hash"], "reused")
    told = conda_lab.laptop.run("exec", "gpubox", "--", "printenv", "HF_ENDPOINT")
    assert (told.code, told.out) == (1, "")
    run("down", "--yes")


def test_a_token_is_not_told_to_a_presets_hub_and_env_wins(conda_lab: Lab) -> None:
    """Nothing is built for it: the environment is one that the host has."""
    run, laptop = conda_lab.laptop.ok, conda_lab.laptop
    prefix = conda_lab.home / "env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to("/usr/bin/env")
    prefer_own_port(laptop, f"    mirror: tuna\n    use_env: {prefix}\n    pass_env: HF_TOKEN\n")
    (laptop.project / "environment.yml").unlink()
    first = run("up", "gpubox", "-d", "--no-jupyter")
    assert "HF_TOKEN would go to https://hf-mirror.com" in first.err
    assert laptop.run("exec", "gpubox", "--", "printenv", "HF_ENDPOINT").out == ""
    run("down", "--yes")
    own = "    env: {HF_ENDPOINT: https://own.example}\n"
    prefer_own_port(laptop, f"    mirror: tuna\n    use_env: {prefix}\n{own}")
    run("up", "gpubox", "-d", "--no-jupyter")
    told = run("exec", "gpubox", "--", "printenv", "HF_ENDPOINT")
    assert told.out == "https://own.example\n"
    run("down", "--yes")


def test_a_mirror_that_is_of_no_use_anywhere_is_exit_8_with_what_was_tried(conda_lab: Lab) -> None:
    conda_lab.laptop.write("environment.yml", environment("conda-forge", "activated"))
    (conda_lab.home / ".condarc").write_text("channel_alias: http://127.0.0.1:9/home\n")
    mirror(conda_lab, "http://me:hunter2@127.0.0.1:9/mirror")
    done = conda_lab.laptop.run("--json", "up", "gpubox", "--no-jupyter")
    assert done.code == 8
    error = done.json()["error"]
    assert error["code"] == "channel-unreachable"
    assert "http://127.0.0.1:9/mirror (" in error["message"]
    assert "http://127.0.0.1:9/home/conda-forge (" in error["message"]
    assert "mirror:" in error["hint"]
    assert "hunter2" not in done.out + done.err


@pytest.mark.parametrize("word", ["tunaa", "{channels: {a: x}}"])
def test_a_wrong_mirror_is_exit_3_with_its_place(conda_lab: Lab, word: str) -> None:
    prefer_own_port(conda_lab.laptop, f"    mirror: {word}\n")
    done = conda_lab.laptop.run("--json", "up", "gpubox")
    assert done.code == 3
    error = done.json()["error"]
    assert error["code"] == "hosts-file-invalid"
    assert "hosts.yaml:4:" in error["message"]
    assert "Traceback" not in done.err
