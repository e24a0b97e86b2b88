"""`env pack` and `env unpack`: from one real host to another, and what runs there afterwards."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from gpuws.environments.packs.archive import Packed, write
from gpuws.environments.packs.files import new_file
from gpuws.environments.packs.members import Member
from gpuws.environments.packs.pack import packed_here
from gpuws.errors import GpuwsError
from tests.support import micromamba
from tests.support.conda_channel import Channel
from tests.support.conda_fixtures import conda_cache, conda_channel
from tests.support.lab import Lab, running_lab
from tests.support.outside import Notebook
from tests.support.package_index import wheel
from tests.support.two_hosts import Other, other_host

__all__ = ["conda_cache", "conda_channel"]

pytestmark = pytest.mark.timeout(120)

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
MOUNT_1M = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"]


@pytest.fixture
def lab(short_tmp: Path) -> Iterator[Lab]:
    """A host with micromamba on its PATH."""
    tool = micromamba.install(short_tmp / "bin")
    with running_lab(short_tmp, env={"PATH": f"{tool.parent}{os.pathsep}{SYSTEM}"}) as lab:
        yield lab


@pytest.fixture
def other(lab: Lab, short_tmp: Path) -> Iterator[Other]:
    """One without any tool, whose paths are longer."""
    home = "a-home-that-is-much-longer"
    with other_host(lab, short_tmp, home, {"PATH": SYSTEM}) as made:
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


def test_it_goes_straight_to_another_host_and_no_file_is_left_here(
    lab: Lab, conda_channel: Channel, short_tmp: Path
) -> None:
    """Through the keeper that holds a tunnel to the first."""
    made = built(lab, conda_channel)
    lab.laptop.ok("forward", "gpubox", str(lab.server.port))
    logins = lab.server.accepted()
    with other_host(lab, short_tmp / "o", "x", {"PATH": SYSTEM}) as other:
        there = lab.laptop.ok("--json", "env", "pack", "gpubox", "--to", "trainbox").data()
        prefix = other.root / "envs" / made["hash"]
        assert (there["host"], there["prefix"]) == ("trainbox", str(prefix))
        assert (lab.server.accepted(), other.server.accepted()) == (logins, 1)
        assert said(str(prefix / "bin/hello")) == f"hello from {prefix}"
        assert sorted(each.name for each in lab.laptop.project.iterdir()) == ["environment.yml"]
        exported = (other.root / "builds" / made["hash"] / "environment-plain.yml").read_text()
        assert "with-prefix" in exported
    lab.laptop.ok("down", "gpubox", "--yes")


@pytest.mark.endurance
@pytest.mark.timeout(400)
def test_a_jupyter_that_uv_built_is_used_on_another_host(
    short_tmp: Path, uv_cache: dict[str, str]
) -> None:
    """Through the keeper that holds the first host's tunnel."""
    with running_lab(short_tmp, env=uv_cache) as lab:
        run = lab.laptop.ok
        made = run("--json", "up", "gpubox").data()["environment"]
        assert lab.laptop.keepers()
        with other_host(lab, short_tmp / "o", "x", uv_cache) as other:
            there = run("--json", "env", "pack", "gpubox", "--to", "trainbox").data()
            assert lab.server.accepted() == 1
            up = run("--json", "up", "trainbox").data()["environment"]
            assert (up["action"], up["prefix"]) == ("reused", there["prefix"])
            book = Notebook(run("url", "trainbox").out.strip())
            told = book.run(book.start_kernel(), "import sys; print(sys.prefix)").strip()
            assert told == str(other.root / "envs" / made["hash"])
            assert run("--json", "env", "diff", "trainbox").data()["added"] == []
            run("down", "trainbox", "--yes")
        run("down", "gpubox", "--yes")


def test_passwords_of_channels_stay_at_home(lab: Lab, conda_channel: Channel) -> None:
    run = lab.laptop.ok
    url = conda_channel.url
    built(lab, conda_channel)
    secret = b"https://me:pass-word@host.invalid/t/pass-word/channel"
    kept = [p for p in lab.root.rglob("*") if p.is_file() and url.encode() in p.read_bytes()]
    for path in kept:
        path.write_bytes(path.read_bytes().replace(url.encode(), secret))
    assert {"with-prefix-1.0-0.json", "environment-plain.yml"} <= {path.name for path in kept}
    run("env", "pack", "gpubox", "-o", "x.tar.gz")
    with tarfile.open(lab.laptop.project / "x.tar.gz") as archive:
        names = archive.getnames()
        files = [archive.extractfile(each) for each in archive if each.isreg()]
        held = [file.read() for file in files if file]
    assert "env/conda-meta/with-prefix-1.0-0.json" in names
    assert "build/environment-plain.yml" in names
    assert any(b"https://host.invalid/channel" in data for data in held)
    assert not any(b"pass-word" in data for data in held)
    run("down", "gpubox", "--yes")


# --- a virtual environment of the laptop ----------------------------------------------------------


@pytest.fixture
def bare(short_tmp: Path) -> Iterator[Lab]:
    """A host as it comes."""
    with running_lab(short_tmp, env={"PATH": SYSTEM}) as lab:
        yield lab


SCRIPT = b"def main() -> None:\n    import sys\n    print('tool of', sys.prefix)\n"


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Made by uv, with a distribution that has a command."""
    points = b"[console_scripts]\ntool = tool:main\n"
    files = {"tool/__init__.py": SCRIPT, "tool-1.0.dist-info/entry_points.txt": points}
    made = tmp_path / "here" / ".venv"
    uv = [find_uv_bin(), "--offline", "--no-cache", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, str(made)], check=True, timeout=60)
    install = ["pip", "install", "--python", str(made / "bin/python"), "--no-index"]
    archive = wheel(tmp_path, "tool", "1.0", files)
    subprocess.run([*uv, *install, str(archive)], check=True, timeout=60)
    return made


def test_a_virtual_environment_of_the_laptop_works_on_a_host(bare: Lab, venv: Path) -> None:
    run = bare.laptop.ok
    assert said(str(venv / "bin/tool")) == f"tool of {venv}"
    packed = run("--json", "env", "pack", "--from", str(venv)).data()
    assert packed["file"].endswith(f"/here-{packed['hash'][:8]}.tar.gz")
    there = run("--json", "env", "unpack", packed["file"], "gpubox").data()
    prefix = bare.root / "envs" / packed["hash"]
    assert (there["prefix"], there["left"]) == (str(prefix), [])
    assert said(str(prefix / "bin/tool")) == f"tool of {prefix}"
    active = f". {prefix}/bin/activate && tool && echo $VIRTUAL_ENV"
    assert said("sh", "-c", active) == f"tool of {prefix}\n{prefix}"
    [listed] = run("--json", "env", "list", "gpubox").data()["environments"]
    assert (listed["state"], listed["hash"]) == ("complete", packed["hash"])
    run("up", "gpubox", "--no-jupyter", "--use-env", str(prefix))
    assert run("exec", "gpubox", "--", "tool").out == f"tool of {prefix}\n"
    run("down", "gpubox", "--yes")
    again = run("--json", "env", "pack", "--from", str(venv), "--to", "gpubox").data()
    assert (again["action"], again["hash"]) == ("reused", packed["hash"])


def test_an_editable_install_is_refused_by_name(bare: Lab, venv: Path) -> None:
    [info] = (venv / "lib").rglob("tool-1.0.dist-info")
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    done = bare.laptop.run("--json", "env", "pack", "--from", str(venv))
    assert (done.code, done.json()["error"]["code"]) == (8, "not-relocatable")
    assert "tool-1.0" in done.json()["error"]["message"]


def test_a_link_that_leads_out_is_refused_and_leaves_no_file(bare: Lab, venv: Path) -> None:
    (venv / "data").symlink_to("/etc")
    done = bare.laptop.run("--json", "env", "pack", "--from", str(venv), "-o", "x.tar.gz")
    assert (done.code, done.json()["error"]["code"]) == (8, "not-relocatable")
    assert "'data' leads to '/etc'" in done.json()["error"]["message"]
    assert [each.name for each in bare.laptop.project.iterdir()] == ["environment.yml"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a file system")
def test_a_full_disk_of_the_laptop_is_named_and_keeps_no_half_of_an_archive(
    bare: Lab, venv: Path
) -> None:
    small = bare.laptop.project / "small"
    small.mkdir()
    (venv / "noise").write_bytes(os.urandom(3 << 20))
    if subprocess.run([*MOUNT_1M, str(small)], capture_output=True).returncode != 0:
        pytest.skip("this machine may not mount a tmpfs")
    try:
        done = bare.laptop.run("--json", "env", "pack", "--from", str(venv), "-o", "small/x.tgz")
        assert (done.code, done.json()["error"]["code"]) == (3, "pack-invalid")
        assert "small/x.tgz: No space left" in done.json()["error"]["message"]
        with pytest.raises(GpuwsError, match="No space left"), new_file(small / "y.tgz") as sink:
            sink.write(b"x" * shutil.disk_usage(small).free)
            sink.write(b"y")  # is kept until the end
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


# --- what goes wrong on the way -------------------------------------------------------------------


def archive_of(
    venv: Path, path: Path, more: dict[str, bytes] | None = None, **changes: object
) -> Path:
    """Packed here, with more files, and a manifest that says something else."""
    packed = packed_here(str(venv))
    files = [(Member(f"env/{k}", "file", size=len(v)), (v,)) for k, v in (more or {}).items()]
    manifest = replace(packed.manifest, **changes)  # type: ignore[arg-type]
    with path.open("wb") as file:
        write(Packed(manifest, itertools.chain(packed.members, files)), file)
    return path


def refused(lab: Lab, file: Path, code: str, status: int) -> str:
    """What unpacking it says; nothing of it is on the host."""
    done = lab.laptop.run("--json", "env", "unpack", str(file), "gpubox")
    error = done.json()["error"]
    assert (error["code"], done.code) == (code, status), done
    assert list(lab.root.glob("envs/*")) == []
    return str(error["message"])


def test_a_damaged_archive_leaves_nothing_on_the_host(
    bare: Lab, venv: Path, tmp_path: Path
) -> None:
    noise = {"share/noise": os.urandom(1 << 20)}
    whole = archive_of(venv, tmp_path / "a.tar.gz", noise).read_bytes()
    damaged = tmp_path / "b.tar.gz"
    damaged.write_bytes(whole[: len(whole) - 1000])
    assert "cut short" in refused(bare, damaged, "pack-invalid", 3)
    at = len(whole) - 100_000
    damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    refused(bare, damaged, "pack-invalid", 3)


def test_a_host_that_cannot_have_it_is_left_as_it_is(bare: Lab, venv: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.tar.gz"
    archive_of(venv, file, platform="linux-ppc64le")
    assert "linux-ppc64le" in refused(bare, file, "pack-other-platform", 3)
    archive_of(venv, file, glibc=990)
    assert "glibc 2.990" in refused(bare, file, "pack-unmet", 7)
    archive_of(venv, file, bytes=1 << 46)
    refused(bare, file, "disk-full", 7)
    archive_of(venv, file, python="3.99.1")
    assert "(python 3.99)" in refused(bare, file, "python-not-found", 8)
    assert not (bare.root / "builds").exists()


def test_what_does_not_run_there_is_not_complete(bare: Lab, venv: Path, tmp_path: Path) -> None:
    """An archive whose parts are right, and whose packages are not what was asked for."""
    packed = packed_here(str(venv))
    asked = (Member("build/pip-names", "file", size=9), (b"nonesuch\n",))
    file = tmp_path / "a.tar.gz"
    with file.open("wb") as sink:
        write(Packed(packed.manifest, itertools.chain([asked], packed.members)), sink)
    refused(bare, file, "health-check-failed", 8)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a file system")
def test_a_disk_that_fills_up_meanwhile_is_named_and_given_its_space_back(
    bare: Lab, venv: Path, tmp_path: Path
) -> None:
    bare.root.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(bare.root)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine may not mount a tmpfs")
    try:
        noise = {"share/noise": os.urandom(6 << 20)}
        file = archive_of(venv, tmp_path / "a.tar.gz", noise, bytes=1000)
        refused(bare, file, "disk-full", 7)
        assert shutil.disk_usage(bare.root).used < 1 << 20
    finally:
        bare.laptop.end()
        subprocess.run(["umount", "-l", str(bare.root)], check=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_end_in_the_middle_leaves_nothing_that_anybody_takes_for_complete(
    bare: Lab, venv: Path, tmp_path: Path, how: signal.Signals
) -> None:
    noise = {f"share/noise-{each}": os.urandom(16 << 20) for each in range(4)}
    file = archive_of(venv, tmp_path / "a.tar.gz", noise, bytes=128 << 20)
    process = bare.laptop.start("env", "unpack", str(file), "gpubox")
    deadline = time.monotonic() + 15
    while not list(bare.root.glob("envs/*/share/noise-0")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(bare.root.glob("envs/*/share"))
    process.send_signal(how)
    process.communicate(timeout=10)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert list(bare.root.glob("envs/*/.gpuws-complete")) == []
    run = bare.laptop.ok
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = run("--json", "env", "list", "gpubox").data()["environments"]
        if not found or found[0]["state"] == "unfinished":
            break
    run("--json", "env", "gc", "gpubox", "--yes")
    assert list(bare.root.glob("envs/*")) == []
    there = run("--json", "env", "unpack", str(file), "gpubox").data()
    assert there["action"] == "created"
