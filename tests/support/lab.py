"""A whole lab: a real sshd with a HOME of its own, and a laptop that reaches it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import leftovers
from tests.support.laptop import PIP_ONLY, Laptop
from tests.support.sshd import LOOPBACK, Place, Sshd, free_port, running_sshd


@dataclass(frozen=True)
class Lab:
    laptop: Laptop
    server: Sshd
    home: Path

    @property
    def root(self) -> Path:
        return self.home / "gpuws"


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """As the fixture short_tmp, for what several tests share."""
    folder = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_lab(
    folder: Path,
    *,
    env: dict[str, str] | None = None,
    home: str = "h",
    shell: str | None = None,
    lines: tuple[str, ...] = (),
    client_lines: tuple[str, ...] = (),
    place: Place = LOOPBACK,
    within: tuple[str, ...] = (),
) -> Iterator[Lab]:
    """``env``: more variables of the host's logins; ``home``: the name of the HOME folder;
    ``place`` and ``within``: where the server is, and where the laptop's commands run."""
    home_folder = folder / home
    home_folder.mkdir()
    mark = {leftovers.MARK: os.environ.get(leftovers.MARK, "")}
    with running_sshd(
        folder / "s",
        lines,
        home=home_folder,
        shell=shell,
        env={**mark, **(env or {})},
        client_lines=client_lines,
        place=place,
    ) as server:
        laptop = Laptop(folder / "l", server, within)
        laptop.write("environment.yml", PIP_ONLY)
        prefer_own_port(laptop)
        try:
            yield Lab(laptop, server, home_folder)
        finally:
            laptop.end()
            end_sessions(home_folder)


def prefer_own_port(laptop: Laptop, more: str = "") -> None:
    """Test processes run side by side: each lab prefers a port that no other one does. ``more``:
    further lines of the host's entry in hosts.yaml."""
    laptop.hosts(f"hosts:\n  gpubox:\n    local_port: {free_port()}\n{more}")


def end_sessions(home: Path) -> None:
    """Whatever a failed test left running under this HOME: its supervisors and tmux servers."""
    mine = f"HOME={home}".encode()
    for _ in range(3):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if mine in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
        time.sleep(0.05)


def tools_without(folder: Path, *missing: str) -> str:
    """A PATH of one folder: links to every program of this machine's system but those."""
    folder.mkdir()
    for place in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in missing and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)
