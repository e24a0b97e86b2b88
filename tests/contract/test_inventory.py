"""What environments a host has and what may go, under every shell that a host may have."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuws.engines.session import look
from gpuws.environments.installed import Installed, installed
from gpuws.environments.inventory import Removed, inventory, remove
from gpuws.errors import GpuwsError
from gpuws.plan.inventory import Environment
from gpuws.plan.sources import Source
from tests.support.local_host import LocalHost
from tests.support.shells import shell

__all__ = ["shell"]

ONE, TWO, THREE = ("1" * 16, "2" * 16, "3" * 16)


class Box:
    """A host with environments that have a marker and a sleep(1) for a python."""

    def __init__(self, home: Path, shell: tuple[str, ...]) -> None:
        self.host = LocalHost(home, shell=shell)
        self.root = home / "ro ot"
        (self.root / "envs").mkdir(parents=True)
        (self.root / "workspaces").mkdir()
        (self.root / ".gpuws-root").touch()

    def prefix(self, digest: str) -> Path:
        return self.root / "envs" / digest

    def make(self, digest: str, *, complete: bool = True, created: int = 1) -> Path:
        prefix = self.prefix(digest)
        (prefix / "bin").mkdir(parents=True)
        shutil.copy2("/bin/sleep", prefix / "bin/sleep")
        marker = {"hash": digest, "tool": "uv", "version": "0.9", "created": created, "kb": 2048}
        if complete:
            (prefix / ".gpuws-complete").write_text(json.dumps(marker) + "\n")
        (self.root / "builds" / digest).mkdir(parents=True)
        return prefix

    def workspace(self, name: str, digest: str, **more: object) -> None:
        folder = self.root / "workspaces" / name
        folder.mkdir()
        record = {"schema": 1, "name": name, "prefix": str(self.prefix(digest)), **more}
        text = json.dumps(record, separators=(",", ":"))
        (folder / "workspace.json").write_text(text + "\n")
        (self.root / "envs" / name).symlink_to(digest)

    def listed(self) -> dict[str, Environment]:
        seen = look(self.host, root=str(self.root))
        found = inventory(self.host, root=seen.root, workspaces=seen.workspaces)
        return {each.hash: each for each in found}

    def remove(self, *hashes: str) -> Removed:
        return remove(self.host, root=str(self.root), hashes=hashes)


@pytest.fixture
def box(shell: tuple[str, ...], tmp_path: Path) -> Box:
    return Box(tmp_path, shell)


@contextmanager
def sleeping(*command: str, **env: str) -> Iterator[int]:
    process = subprocess.Popen([*command, "30"], env={**os.environ, **env})
    try:
        time.sleep(0.1)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_the_newest_first_with_size_tool_links_and_workspaces(box: Box) -> None:
    box.make(ONE, created=5)
    box.make(TWO, created=7)
    box.workspace("demo", TWO, earlier=[ONE, THREE])
    found = box.listed()
    assert list(found) == [TWO, ONE]
    assert (found[TWO].kb, found[TWO].tool, found[TWO].version) == (2048, "uv", "0.9")
    assert (found[TWO].names, found[TWO].used_by) == (("demo",), ("demo",))
    assert (found[ONE].used_by, found[ONE].earlier_of) == ((), ("demo",))


def test_an_unfinished_one_has_its_true_size_and_goes(box: Box) -> None:
    prefix = box.make(ONE, complete=False)
    (prefix / "data").write_bytes(os.urandom(3_000_000))
    found = box.listed()[ONE]
    assert found.state == "unfinished"
    assert 2900 <= found.kb <= 3400
    assert box.remove(ONE).removed == (str(prefix),)
    assert not prefix.exists()


@pytest.mark.parametrize("way", ["program", "variable", "link"])
def test_what_a_process_uses_is_kept_however_it_was_started(box: Box, way: str) -> None:
    prefix = box.make(ONE)
    (box.root / "envs" / "named").symlink_to(ONE)
    command, variables = (str(prefix / "bin/sleep"),), {}
    if way == "link":
        (prefix / "bin/python").symlink_to("/bin/sleep")  # as a venv has it
        command = (str(box.root / "envs/named/bin/python"),)
    elif way == "variable":
        command, variables = ("sleep",), {"VIRTUAL_ENV": f"{prefix}/"}
    with sleeping(*command, **variables) as pid:
        assert pid in box.listed()[ONE].processes
        kept = box.remove(ONE)
        assert kept.removed == ()
        assert str(pid) in kept.kept[0][1]
        assert (prefix / ".gpuws-complete").exists()
    assert box.listed()[ONE].processes == ()
    assert box.remove(ONE).removed == (str(prefix),)
    assert not (box.root / "envs/named").is_symlink()
    assert not (box.root / "builds" / ONE).exists()


def test_what_a_workspace_starts_in_is_kept_also_when_nothing_runs(box: Box) -> None:
    box.make(ONE)
    box.workspace("demo", ONE)
    assert box.remove(ONE).kept == ((ONE, "the workspace demo uses it"),)
    assert box.listed()[ONE].state == "complete"


def test_a_workspace_that_has_ended_can_give_its_environment_up_but_only_its_own(box: Box) -> None:
    """Two share one; what a process still uses is kept all the same."""
    prefix = box.make(ONE)
    for name in ("demo", "other"):
        box.workspace(name, ONE)

    def given_up(*names: str) -> Removed:
        return remove(box.host, root=str(box.root), hashes=[ONE], leaving=names)

    assert given_up("demo").kept == ((ONE, "the workspace other uses it"),)
    assert given_up("demo2", "other").kept == ((ONE, "the workspace demo uses it"),)
    with sleeping(str(prefix / "bin/sleep")) as pid:
        assert given_up("demo", "other").kept == ((ONE, f"processes use it: {pid}"),)
    assert given_up("demo", "other").removed == (str(prefix),)
    assert not (box.root / "envs/demo").is_symlink()


def test_where_gpuws_keeps_its_own_tmux_is_kept(box: Box) -> None:
    """No workspace starts in it, and nothing runs from it while all are down."""
    box.make(ONE)
    (box.root / "tools").mkdir()
    (box.root / "tools/tmux").symlink_to(f"../envs/{ONE}")
    assert box.listed()[ONE].tools == ("tmux",)
    assert box.remove(ONE).kept == ((ONE, "gpuws's tmux lives in it"),)


def test_what_gpuws_did_not_make_is_neither_listed_nor_removed(box: Box, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "bin").mkdir(parents=True)
    box.prefix(ONE).symlink_to(elsewhere)
    box.prefix("mine").mkdir()
    box.prefix(TWO).write_text("a file")
    assert box.listed() == {}
    done = box.remove(ONE, TWO)
    assert done.removed == ()
    assert {digest for digest, _ in done.kept} == {ONE, TWO}
    assert elsewhere.exists()
    assert box.prefix(TWO).exists()


def test_nothing_goes_through_a_link_or_in_a_folder_that_is_not_ours(box: Box) -> None:
    box.make(ONE)
    moved = box.root.parent / "moved"
    (box.root / "envs").rename(moved)
    (box.root / "envs").symlink_to(moved)
    with pytest.raises(GpuwsError) as caught:
        box.remove(ONE)
    assert caught.value.code == "not-ours"
    assert (moved / ONE).exists()
    assert box.listed() == {}


def test_folders_that_their_owner_may_not_write_go_too(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / "bin").chmod(0o500)
    assert box.remove(ONE).removed == (str(prefix),)


def test_one_that_is_gone_already_is_no_error(box: Box) -> None:
    assert box.remove(ONE) == Removed(())
    assert box.remove() == Removed(())


def test_a_removal_that_was_cut_leaves_an_unfinished_one_that_goes_with_the_next(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / ".gpuws-complete").rename(prefix / ".gpuws-leaving")
    assert box.listed()[ONE].state == "unfinished"
    assert box.remove(ONE).removed == (str(prefix),)


# --- what is installed ----------------------------------------------------------------------------


def distribution(prefix: Path, name: str, by: str | None, direct: str = "") -> None:
    folder = prefix / "lib/python3.11/site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True)
    if by is not None:
        (folder / "INSTALLER").write_text(by)
    if direct:
        (folder / "direct_url.json").write_text(direct)


def test_packages_are_told_without_running_anything_of_the_environment(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / "conda-meta").mkdir()
    for name in ("numpy-1.26.4-py311h1", "r-base-4.3.1-h1_2"):
        (prefix / "conda-meta" / f"{name}.json").touch()
    distribution(prefix, "numpy-1.26.4", "conda\n")
    distribution(
        prefix, "my_pkg-1.0", "pip", '{"dir_info": {"editable": true}, "url": "file:///x"}'
    )
    distribution(prefix, "old-1", None)
    found = installed(box.host, root=str(box.root), prefix=str(prefix))
    assert found.machine == os.uname().machine
    assert {each.words for each in found.now} == {
        "numpy=1.26.4=py311h1",
        "r-base=4.3.1=h1_2",
        "numpy==1.26.4",
        "my_pkg==1.0 (editable)",
        "old==1",
    }
    assert {each.name: each.by for each in found.now}["old"] == "?"
    assert found.then is None


def test_what_was_recorded_at_the_build_is_told_beside_it(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / ".gpuws-packages").write_text("python a-1 uv\n")
    (box.root / "builds" / ONE / "pip-names").write_text("a\nb\n")
    found = installed(box.host, root=str(box.root), prefix=str(prefix))
    assert found.now == ()
    assert found.then is not None
    assert [each.words for each in found.then] == ["a==1"]
    assert found.asked == ("a", "b")


def changes(box: Box) -> Installed:
    return installed(box.host, root=str(box.root), prefix=str(box.prefix(ONE)), also="changes")


def test_who_changed_what_since_it_was_built_is_told_from_the_books(box: Box) -> None:
    """The owner and time of an entry, and whether pip was asked for it by name."""
    prefix = box.make(ONE)
    (prefix / "conda-meta").mkdir()
    distribution(prefix, "old-1", "pip")
    (prefix / "conda-meta/old-1-0.json").touch()
    (prefix / ".gpuws-packages").write_text("")
    built = time.time() + 100
    os.utime(prefix / ".gpuws-packages", (built, built))
    distribution(prefix, "rich-13.7.0", "pip")
    distribution(prefix, "mdurl-0.1.2", "pip")
    site = prefix / "lib/python3.11/site-packages"
    (site / "rich-13.7.0.dist-info/REQUESTED").touch()
    later = prefix / "conda-meta/numpy-1.26.4-py311h1.json"
    later.touch()
    for path in (site / "rich-13.7.0.dist-info", site / "mdurl-0.1.2.dist-info", later):
        os.utime(path, (built + 50, built + 50))
    me = pwd.getpwuid(os.geteuid()).pw_name
    found = [
        (each.package.name, each.owner, each.when, each.asked) for each in changes(box).touched
    ]
    assert sorted(found) == [
        ("mdurl", me, int(built) + 50, False),
        ("numpy", me, int(built) + 50, False),
        ("rich", me, int(built) + 50, True),
    ]


def test_commands_that_are_not_the_builds_are_told_from_condas_history(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / "conda-meta").mkdir()
    (prefix / ".gpuws-packages").touch()
    entries = [
        f"==> 2026-11-{day:02} 09:00:00 <==\n# cmd: conda {words}\n+ch::a-{day}-0\n"
        for day, words in (
            (3, f"create -p {prefix} -f {box.root}/builds/{ONE}/environment.yml"),
            *((number, f"install -p X a{number} \\t *") for number in range(4, 26)),
            (26, f"create -p {prefix} -f {box.root}/builds/{ONE}/environment-plain.yml"),
        )
    ]
    (prefix / "conda-meta/history").write_text("".join(entries))
    told = changes(box).commands
    assert len(told) == 20  # the last ones
    assert (told[-1].date, told[-1].line) == (
        "2026-11-25 09:00:00",
        "conda install -p X a25 \\t *",
    )
    assert not any("create" in each.line for each in told)


def test_what_packages_ask_of_numpy_is_read_from_their_metadata(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / "conda-meta").mkdir()
    record = {"name": "scipy", "depends": ["numpy >=1.21,<2", "numpydoc", "python >=3.9"]}
    (prefix / "conda-meta/scipy-1.11.4-py_0.json").write_text(json.dumps(record, indent=2))
    distribution(prefix, "old_one-1.0", "pip")
    metadata = "Name: old-one\nRequires-Dist: numpy<2,>=1.2\nRequires-Dist: numpy-quaternion\n"
    place = prefix / "lib/python3.11/site-packages/old_one-1.0.dist-info/METADATA"
    place.write_text(metadata)
    assert sorted((each.package, each.asks) for each in changes(box).bounds) == [
        ("old_one-1.0", "numpy<2,>=1.2"),
        ("scipy-1.11.4-py_0", "numpy >=1.21,<2"),
    ]


@pytest.mark.parametrize("indent", [2, 4])  # conda's, mamba's
def test_where_packages_came_from_is_read_from_their_outermost_keys(box: Box, indent: int) -> None:
    """Every file of a package has a hash of its own, and comes first in the alphabet."""
    prefix = box.make(ONE)
    (prefix / "conda-meta").mkdir()
    file = {"_path": "a", "sha256": "f" * 64, "sha256_in_prefix": "e" * 64}
    record = {
        "link": {"source": "/pkgs/a", "type": 1},
        "md5": "1" * 32,
        "paths_data": {"paths": [file], "paths_version": 1},
        "sha256": "2" * 64,
        "url": "https://host/noarch/a-1-0.conda",
    }
    text = json.dumps(record, indent=indent)
    (prefix / "conda-meta/a-1-0.json").write_text(text)
    distribution(prefix, "b-2", "pip", '{"url": "https://host/b.whl",\n\t"archive_info": {}}\n')
    found = installed(box.host, root=str(box.root), prefix=str(prefix), also="sources")
    assert found.sources == (Source("a-1-0", str(record["url"]), "2" * 64, "1" * 32),)
    assert [(each.package.name, each.where) for each in found.direct] == [
        ("b", "https://host/b.whl")
    ]


def test_a_virtual_environment_tells_the_version_of_its_python(box: Box) -> None:
    prefix = box.make(ONE)
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9\nversion_info = 3.11.9\n")
    assert changes(box).python == "3.11.9"
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.1\n")
    assert changes(box).python == "3.12.1"


def test_a_prefix_that_is_gone_is_named(box: Box) -> None:
    with pytest.raises(GpuwsError) as caught:
        installed(box.host, root=str(box.root), prefix=str(box.prefix(ONE)))
    assert caught.value.code == "environment-not-found"
