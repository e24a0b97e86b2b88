"""One lab for a test: a real sshd with a HOME of its own, and a laptop that reaches it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.laptop import PIP_ONLY, Laptop
from tests.support.sshd import Sshd, free_port, running_sshd


@dataclass(frozen=True)
class Lab:
    laptop: Laptop
    server: Sshd
    home: Path

    @property
    def root(self) -> Path:
        return self.home / "gpuws"


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache of one test run, shared by all workers: JupyterLab is downloaded once."""
    folder = tmp_path_factory.getbasetemp().parent / "uv-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def lab(short_tmp: Path, warm_cache: Path) -> Iterator[Lab]:
    home = short_tmp / "h"
    home.mkdir()
    mark = os.environ.get(leftovers.MARK, "")
    env = {"UV_CACHE_DIR": str(warm_cache), leftovers.MARK: mark, "UV_LINK_MODE": "hardlink"}
    with running_sshd(short_tmp / "s", home=home, env=env) as server:
        laptop = Laptop(short_tmp / "l", server)
        laptop.write("environment.yml", PIP_ONLY)
        # workers run side by side: each lab prefers a port that no other one does
        laptop.hosts(f"hosts:\n  gpubox:\n    local_port: {free_port()}\n")
        try:
            yield Lab(laptop, server, home)
        finally:
            laptop.end()
            _end_sessions(home)


def _end_sessions(home: Path) -> None:
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
