"""The scripts of `env pack` and `unpack` in every shell that a host may have, and busybox's tar."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.engines.engine import SETSID
from gpuws.environments.inventory import inventory, remove
from gpuws.environments.packs.archive import Packed, read, write
from gpuws.environments.packs.members import Member, Stream
from gpuws.environments.packs.pack import packed_there
from gpuws.environments.packs.unpack import Unpacked, unpack
from gpuws.errors import GpuwsError
from gpuws.host.script import script
from gpuws.plan.inventory import Environment
from gpuws.plan.model import HostFacts, Tool
from gpuws.plan.packs import Manifest
from tests.support.local_host import LocalHost
from tests.support.shells import shell
from tests.unit.environments.test_choose import HOST

__all__ = ["shell"]

DIGEST = "00000000000000ab"
BASE = str(Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info[:2]))
MARKER = f'{{"hash":"{DIGEST}","tool":"venv","version":"3.1","seconds":1,"created":1,"kb":1}}\n'


@pytest.fixture
def host(shell: tuple[str, ...], short_tmp: Path) -> LocalHost:
    """With busybox for a shell, every other program is busybox's too."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    if "busybox" in shell[0]:
        (short_tmp / "bin").mkdir()
        subprocess.run([shell[0], "--install", "-s", str(short_tmp / "bin")], check=True)
        env = {"PATH": str(short_tmp / "bin")}
    return LocalHost(short_tmp, shell=shell, env=env)


@pytest.fixture
def root(short_tmp: Path) -> Path:
    """With one environment that gpuws has built: a virtual one, and what it was built from."""
    made = short_tmp / "from here"
    prefix, build = made / "envs" / DIGEST, made / "builds" / DIGEST
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    tool = prefix / "bin" / "tool"
    tool.write_text(f"#!{prefix}/bin/python\nimport sys\nprint(sys.prefix)\n")
    tool.chmod(0o755)
    (prefix / ("long-" * 30) / ("names-" * 20)).mkdir(parents=True)
    (prefix / ("long-" * 30) / ("names-" * 20) / "file").write_text("x")
    os.link(tool, prefix / "bin" / "same")
    (prefix / ".hidden").write_text("h")
    (prefix / ".gpuws-complete").write_text(MARKER)
    build.mkdir(parents=True)
    (build / "environment-plain.yml").write_text('channels:\n  - "https://me:pw@h/c"\n')
    (build / "order.sh").write_text("order_jupyter=0\nexport SECRET=x\n")
    return made


def idle() -> None:
    return None


def archived(host: LocalHost, root: Path) -> tuple[Manifest, bytes]:
    packed, out = packed_there(host, root=str(root), digest=DIGEST, idle=idle), io.BytesIO()
    write(packed, out)
    return packed.manifest, out.getvalue()


def placed(host: LocalHost, root: Path, packed: Packed, facts: HostFacts = HOST) -> Unpacked:
    facts = replace(facts, root=str(root), run_base=str(root / "run"))
    return unpack(host, facts, SETSID, packed, idle)


def test_an_environment_is_packed_and_unpacked_by_this_shell(
    host: LocalHost, root: Path, short_tmp: Path
) -> None:
    manifest, data = archived(host, root)
    assert (manifest.hash, manifest.tool, manifest.version) == (DIGEST, "venv", "3.1")
    assert manifest.python == "{}.{}.{}".format(*sys.version_info[:3])
    assert Path(manifest.base).resolve() == Path(sys.executable).resolve()
    to = short_tmp / "to"
    done = placed(host, to, read(io.BytesIO(data), "x.tar.gz"))
    prefix = to / "envs" / DIGEST
    assert done == Unpacked(str(prefix), "created")
    for tool in ("tool", "same"):
        said = subprocess.run([str(prefix / "bin" / tool)], capture_output=True, text=True)
        assert said.stdout == f"{prefix}\n", said
    assert (prefix / "bin/tool").stat().st_ino == (prefix / "bin/same").stat().st_ino
    assert (prefix / ".hidden").read_text() == "h"
    assert (prefix / ("long-" * 30) / ("names-" * 20) / "file").exists()
    assert f'"hash":"{DIGEST}"' in (prefix / ".gpuws-complete").read_text()
    build = to / "builds" / DIGEST
    assert (build / "environment-plain.yml").read_text() == 'channels:\n  - "https://h/c"\n'
    assert (build / "state").read_text() == "done"
    assert not (build / "order.sh").exists()
    again = placed(host, to, read(io.BytesIO(data), "x.tar.gz"))
    assert again.action == "reused"


def _late(packed: Packed) -> Packed:
    wrong = (Member("build/pip-names", "file", size=9), (b"nonesuch\n",))
    return replace(packed, members=itertools.chain(packed.members, [wrong]))


def _other_python(packed: Packed) -> Packed:
    return replace(packed, manifest=replace(packed.manifest, python="3.1.0"))


@pytest.mark.parametrize(
    ("spoilt", "code"), [(_late, "health-check-failed"), (_other_python, "python-not-found")]
)
def test_what_cannot_be_used_leaves_no_environment(
    host: LocalHost,
    root: Path,
    short_tmp: Path,
    spoilt: Callable[[Packed], Packed],
    code: str,
) -> None:
    _, data = archived(host, root)
    to = short_tmp / "to"
    with pytest.raises(GpuwsError) as caught:
        placed(host, to, spoilt(read(io.BytesIO(data), "x.tar.gz")))
    assert caught.value.code == code
    assert not (to / "envs" / DIGEST).exists()


def test_an_archive_that_ends_early_is_given_its_space_back(
    host: LocalHost, root: Path, short_tmp: Path
) -> None:
    _, data = archived(host, root)
    to = short_tmp / "to"
    with pytest.raises(GpuwsError, match="cut short"):
        placed(host, to, read(io.BytesIO(data[:-200]), "x.tar.gz"))
    assert not (to / "envs" / DIGEST).exists()
    assert (to / "builds" / DIGEST / "state").read_text() == "failed build-interrupted 143"
    assert not (to / "builds" / DIGEST / "pid").exists()


def test_an_environment_that_is_being_packed_is_in_use(root: Path, short_tmp: Path) -> None:
    host, prefix = LocalHost(short_tmp), root / "envs" / DIGEST
    (prefix / "noise").write_bytes(os.urandom(4 << 20))  # more than a pipe holds
    process = host.open_process(script("gpuws.environments.packs", "pack.sh"), str(prefix))
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            [found] = inventory(host, root=str(root), workspaces=())
            if found.processes:
                break
        assert found.processes
    finally:
        process.close()


def test_a_virtual_environment_finds_its_python_under_another_path(
    host: LocalHost, root: Path, short_tmp: Path
) -> None:
    prefix, elsewhere = root / "envs" / DIGEST, short_tmp / "py" / "bin" / "python3"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.symlink_to(BASE)
    shutil.rmtree(prefix)
    subprocess.run([str(elsewhere), "-m", "venv", "--without-pip", str(prefix)], check=True)
    manifest, data = archived(host, root)
    assert manifest.base == str(elsewhere)
    elsewhere.unlink()
    facts = replace(HOST, pythons=(Tool("python3", BASE, manifest.python),))
    to = short_tmp / "to"
    placed(host, to, read(io.BytesIO(data), "x.tar.gz"), facts)
    python = to / "envs" / DIGEST / "bin" / "python"
    said = subprocess.run(
        [str(python), "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True
    )
    assert said.stdout.strip() == sys.base_prefix
    assert f"home = {Path(BASE).parent}\n" in (python.parents[1] / "pyvenv.cfg").read_text()


def test_while_it_arrives_it_is_a_build_that_nobody_else_touches(
    host: LocalHost, root: Path, short_tmp: Path
) -> None:
    _, data = archived(host, root)
    to = short_tmp / "to"
    packed = read(io.BytesIO(data), "x.tar.gz")

    def watched() -> Stream:
        for number, each in enumerate(packed.members):
            if number == 3:
                [found] = inventory(host, root=str(to), workspaces=())
                assert found.state == "building"
                assert remove(host, root=str(to), hashes=[DIGEST]).kept
                with pytest.raises(GpuwsError, match="by somebody else"):
                    placed(host, to, read(io.BytesIO(data), "x.tar.gz"))
                seen.append(found)
            yield each

    seen: list[Environment] = []
    assert placed(host, to, replace(packed, members=watched())).action == "created"
    assert seen


def test_a_tar_that_complains_makes_no_archive(root: Path, short_tmp: Path) -> None:
    """What it wrote looks whole; its status says that it is not."""
    wrapped = short_tmp / "wrapped" / "tar"
    wrapped.parent.mkdir()
    complaint = 'echo "tar: lib: Permission denied" >&2'
    wrapped.write_text(f'#!/bin/sh\n{shutil.which("tar")} "$@"\n{complaint}\nexit 2\n')
    wrapped.chmod(0o755)
    with pytest.raises(GpuwsError) as caught:
        archived(LocalHost(short_tmp, env={"PATH": f"{wrapped.parent}:/usr/bin:/bin"}), root)
    assert caught.value.code == "environment-failed"
    assert "Permission denied" in caught.value.detail
