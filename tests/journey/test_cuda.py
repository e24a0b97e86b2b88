"""CUDA told straight: what `up` says of a file before anything is built on a host with a card."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.conftest import Lab
from tests.support import micromamba
from tests.support.conda_channel import Channel, make_channel
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.conda_packages import module
from tests.support.lab import prefer_own_port, running_lab

__all__ = ["conda_cache", "conda_channel"]

pytestmark = pytest.mark.timeout(120)

SMI = """\
#!/bin/sh
case $1 in
--query-gpu=*) echo "0, GPU-8a1c5f52-6f0e-4b9a-9c0d-3f8e2a7b1c4d, Tesla T4, 15360, 3, 0" ;;
--query-*) ;;
*) echo "| NVIDIA-SMI 470.57.02    Driver Version: 470.57.02    CUDA Version: 11.4     |" ;;
esac
"""
CONDA = """\
name: demo
channels:
  - conda-forge
dependencies:
  - pytorch=2.4=cpu*
  - cuda-version=12.4
"""
PIP = "torch==0.0.0+cpu\n"  # of which there is no build: it ends at once

TORCH = """\
import types
version = types.SimpleNamespace(cuda={cuda!r})
cuda = types.SimpleNamespace(is_available=lambda: {cuda!r} is not None, device_count=lambda: 1)
"""


@pytest.fixture
def card(short_tmp: Path, uv_cache: dict[str, str]) -> Iterator[Lab]:
    """A host whose nvidia-smi tells of a card, and whose logins find libraries beside the way."""
    (short_tmp / "cuda/lib64").mkdir(parents=True)
    (short_tmp / "cuda/lib64/libcudart.so.11.0").write_bytes(b"")
    smi = short_tmp / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(SMI)
    smi.chmod(0o755)
    micromamba.install(smi.parent)
    env = {
        "PATH": f"{smi.parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(short_tmp / "cuda/lib64"),
        **uv_cache,
    }
    with running_lab(short_tmp, env=env) as lab:
        yield lab


def test_a_dry_run_names_each_line_and_its_change(card: Lab) -> None:
    card.laptop.write("environment.yml", CONDA)
    done = card.laptop.ok("--json", "up", "gpubox", "--dry-run")
    told = [step for step in done.data()["steps"] if step.endswith(")")]
    said = {step.rpartition("(")[2]: step for step in told}
    assert "environment.yml:5: pytorch=2.4=cpu* asks for a CPU build" in said["cpu-build)"]
    newer = said["cuda-newer-than-driver)"]
    assert "environment.yml:6: cuda-version=12.4 is for CUDA 12.4" in newer
    assert "525.60.13 or newer: the host has driver 470.57.02 (CUDA 11.4)" in newer
    assert "write `cuda-version=11.*`" in newer
    assert str(card.home.parent / "cuda/lib64") in said["shadowing-libraries)"]
    assert not card.root.exists()


def test_a_person_reads_it_before_the_build_begins(card: Lab) -> None:
    (card.laptop.project / "environment.yml").unlink()
    card.laptop.write("requirements.txt", PIP)
    prefer_own_port(card.laptop, '    env:\n      LD_LIBRARY_PATH: ""\n')
    done = card.laptop.run("--json", "up", "gpubox")
    assert done.code == 8, done
    lines = done.err.splitlines()
    [warned] = [n for n, line in enumerate(lines) if "(cpu-build)" in line]
    assert "requirements.txt:1: torch==0.0.0+cpu is a CPU build" in lines[warned]
    [begun] = [n for n, line in enumerate(lines) if "s  environment  " in line]
    assert warned < begun
    assert "shadowing" not in done.err
    assert json.loads(done.out)["error"]["exit"] == 8


def test_what_was_warned_of_is_in_the_answer_and_not_said_again(card: Lab) -> None:
    (card.laptop.project / "environment.yml").unlink()
    card.laptop.write("requirements.txt", "iniconfig==2.0.0\n")
    first = card.laptop.ok("--json", "up", "gpubox", "--no-jupyter")
    assert [note for note in first.data()["notes"] if "(shadowing-libraries)" in note]
    again = card.laptop.ok("--json", "up", "gpubox", "--no-jupyter", "--restart", "--yes")
    assert "shadowing" not in json.dumps(again.data()["notes"]) + again.err
    card.laptop.ok("down", "--yes")


def test_torch_must_see_the_card_before_anybody_is_given_the_environment(
    card: Lab, conda_channel: Channel, tmp_path: Path
) -> None:
    torches = make_channel(
        tmp_path / "torches",
        pythons=(),
        standard=False,
        extra=(
            module("pytorch", "1.0", "torch ==1.0"),
            module("torch", "1.0", text=TORCH.format(cuda="11.4")),
            module("torch", "2.0", text=TORCH.format(cuda=None)),
        ),
    )
    top = f"channels: [{torches.url}, {conda_channel.url}]\ndependencies:\n"
    top += f"  - python={sys.version_info[0]}.{sys.version_info[1]}\n"
    laptop, up = card.laptop, ("up", "gpubox", "--no-jupyter", "--restart", "--yes")
    laptop.write("environment.yml", f"{top}  - pytorch\n")
    prefer_own_port(laptop, '    env:\n      CUDA_VISIBLE_DEVICES: ""\n')
    first = laptop.ok("--json", *up)
    log = laptop.ok("logs", "gpubox", "--build").out
    assert "torch 1.0, CUDA 11.4: sees 1 card(s)" in log
    laptop.write("environment.yml", f"{top}  - torch=2.0\n")
    refused = laptop.run("--json", *up)
    error = refused.json()["error"]
    assert (refused.code, error["code"]) == (8, "health-check-failed")
    assert "torch 2.0 is a CPU build" in error["message"]
    assert "--gpus none" in error["hint"]
    good = first.data()["environment"]["prefix"]
    told = laptop.ok("exec", "gpubox", "--", "python", "-c", "import sys; print(sys.prefix)")
    assert told.out == good + "\n"
    assert laptop.ok("--json", *up, "--gpus", "none").data()["environment"]["action"] == "updated"
    laptop.ok("down", "--yes")
