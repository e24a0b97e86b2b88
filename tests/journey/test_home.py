"""HOME as hosts have it: what its rc files set, a disk that is full, one that is read-only."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, prefer_own_port, running_lab
from tests.support.outside import Notebook
from tests.support.small_disk import small_disk

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.timeout(120)

ASK = "import os; print(os.environ.get('FROM_LOGIN'))"


@pytest.mark.parametrize("wanted", [True, False])
def test_login_env_brings_a_variable_of_the_login_shells_rc_file_into_kernels(
    short_tmp: Path, jupyter_env: Path, wanted: bool
) -> None:
    with running_lab(short_tmp, shell="/bin/bash") as lab:
        (lab.home / ".bash_profile").write_text("echo hello\nexport FROM_LOGIN='a \"b\"'\n")
        prefer_own_port(lab.laptop, f"    login_env: {str(wanted).lower()}\n")
        lab.laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env))
        book = Notebook(lab.laptop.ok("url").out.strip())
        kernel = book.run(book.start_kernel(), ASK)
        told = lab.laptop.ok("exec", "gpubox", "--", "python", "-c", ASK).out
        lab.laptop.ok("down", "gpubox", "--yes")
    assert kernel == told == ('a "b"\n' if wanted else "None\n")


# --- disks --------------------------------------------------------------------------------------


@pytest.fixture
def small(short_tmp: Path) -> Iterator[Lab]:
    """Its HOME is a small disk."""
    with running_lab(short_tmp) as lab, small_disk(lab.home):
        yield lab


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(1000):
            file.write(bytes(4096))


def everything(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_a_home_that_is_full_is_told_and_nothing_is_left_there(
    small: Lab, jupyter_env: Path
) -> None:
    fill(small.home)
    before = everything(small.home)
    for words in (("--use-env", str(jupyter_env)), ("-f", "environment.yml")):
        done = small.laptop.run("--json", "up", "gpubox", *words)
        assert done.code == 7, done
        assert done.json()["error"]["code"] == "disk-full"
        assert everything(small.home) == before


def test_a_home_that_is_read_only_is_told_and_nothing_is_left_there(
    small: Lab, jupyter_env: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small.home)], check=True)
    done = small.laptop.run("--json", "up", "gpubox", "--use-env", str(jupyter_env))
    assert done.code == 7, done
    error = done.json()["error"]
    assert error["code"] == "no-root-folder"
    assert "root:" in error["hint"]
    assert everything(small.home) == []


@pytest.mark.parametrize("shell", ["bash", "dash", "busybox sh"])
@pytest.mark.parametrize("full", [True, False])
def test_a_file_that_cannot_be_written_says_whether_the_disk_is_full(
    tmp_path: Path, shell: str, full: bool
) -> None:
    """It fills up while gpuws writes."""
    if not shutil.which(shell.split()[0]):
        pytest.skip(f"needs {shell}")
    text = resources.files("gpuws.host").joinpath("lib.sh").read_text()
    text += 'main() { write "$1" 600 \'some text\'; }\nmain "$@" </dev/null\n'
    with small_disk(tmp_path):
        if full:
            fill(tmp_path)
        place = tmp_path / ("file" if full else "no folder/file")
        done = subprocess.run([*shell.split(), "-c", text, "sh", str(place)], capture_output=True)
        left = everything(tmp_path)
    assert done.stdout.decode().split("\t")[:2] == ["die", "disk-full" if full else "read-only"]
    assert left == (["filler"] if full else [])
