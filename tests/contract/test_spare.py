"""Archives that nothing needs any more: which go, on a host under every shell and on a laptop."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpuws.environments.spare import UNUSED, Spare, on_host, on_laptop
from tests.support.local_host import LocalHost
from tests.support.shells import shell

__all__ = ["shell"]

ONE, TWO = "1" * 16, "2" * 16
HOUR = 3600.0


class Cache:
    """A root whose archives were all sent two hours ago."""

    def __init__(self, home: Path, shell: tuple[str, ...]) -> None:
        self.host = LocalHost(home, shell=shell)
        self.root = home / "ro ot"
        self.root.mkdir()
        (self.root / ".gpuws-root").touch()

    def archive(self, letter: str, file: str, *, age: float = 2 * HOUR) -> Path:
        path = self.root / "cache/archives" / (letter * 2) / (letter * 64) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(10_000))
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    def built(self, digest: str, explicit: str = "", locked: str = "", state: str = "done") -> Path:
        folder = self.root / "builds" / digest
        folder.mkdir(parents=True)
        (folder / "state").write_text(state)
        (folder / "explicit.txt").write_text(explicit)
        (folder / "locked.txt").write_text(locked)
        return folder

    def spare(self, *leaving: str, remove: bool = False) -> Spare:
        return on_host(self.host, root=str(self.root), leaving=leaving, remove=remove)


@pytest.fixture
def cache(shell: tuple[str, ...], tmp_path: Path) -> Cache:
    return Cache(tmp_path, shell)


def test_what_an_environment_was_built_from_and_what_comes_now_is_left(cache: Cache) -> None:
    conda, wheel = cache.archive("a", "a-1-0.conda"), cache.archive("b", "b-1-py3-none-any.whl")
    other, cut = cache.archive("c", "c-1-0.conda"), cache.archive("d", "d.conda.part")
    coming = cache.archive("e", "e-1-0.conda", age=60)
    sums = f"file://{conda}#sha256:{'a' * 64}\n"
    cache.built(ONE, explicit=f"@EXPLICIT\n{sums}", locked=f"--find-links file://{wheel.parent}\n")
    cache.built(TWO, explicit=f"file://{other}\n", state="failed build-interrupted 143")
    found = cache.spare()
    assert (found.place, found.count) == ("host", 2)
    assert 18 <= found.kb <= 64
    assert other.exists()
    assert cache.spare(ONE).count == 4  # were that one to go
    assert cache.spare(remove=True) == found
    assert [path.exists() for path in (conda, wheel, other, cut, coming)] == [1, 1, 0, 0, 1]
    assert not other.parent.parent.exists()
    assert cache.spare(remove=True).count == 0


def test_none_goes_while_a_build_lives_or_through_a_link(cache: Cache, tmp_path: Path) -> None:
    path = cache.archive("a", "a-1-0.conda")
    build = cache.built(ONE, state="running")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    node = os.uname().nodename
    (build / "lock.1").symlink_to(f"{node} {boot} {os.getpid()} setsid b-1 /nowhere")
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    (build / "pid").write_text(f"{os.getpid()} {began}\n")
    assert cache.spare(remove=True).count == 0
    (build / "lock.1").unlink()
    assert cache.spare().count == 1
    (cache.root / "cache").rename(tmp_path / "precious")
    (cache.root / "cache").symlink_to(tmp_path / "precious")
    assert cache.spare(remove=True).count == 0
    assert (tmp_path / "precious" / path.relative_to(cache.root / "cache")).exists()


def test_of_a_laptop_what_nothing_has_used_for_long_goes(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    for letter, age in (("a", UNUSED + 1), ("b", UNUSED - 1)):
        path = tmp_path / (letter * 2) / (letter * 64) / f"{letter}.conda"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * 3000)
        os.utime(path, (now - age, now - age))
    assert on_laptop(tmp_path, now) == Spare("laptop", 1, 2)
    assert on_laptop(tmp_path, now, remove=True).count == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bb"]
    assert on_laptop(tmp_path / "nothing", now).count == 0
