"""Laptops for the command line: one without any host, and one whose workspace runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.laptop import Laptop

__all__ = ["jupyter_env"]


@pytest.fixture
def laptop(short_tmp: Path) -> Iterator[Laptop]:
    """Its ssh configuration names gpubox, where nobody listens, and trainbox beside it."""
    made = Laptop(short_tmp / "l")
    config = short_tmp / "ssh_config"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: whoever connects is refused
        lines = (
            "HostName 127.0.0.1",
            f"Port {taken.getsockname()[1]}",
            "GlobalKnownHostsFile none",
        )
        config.write_text("\n    ".join(("Host gpubox trainbox", *lines)) + "\n")
        made.env["GPUWS_SSH_CONFIG"] = str(config)
        try:
            yield made
        finally:
            made.end()


@pytest.fixture(scope="module")
def box(jupyter_env: Path) -> Iterator[Lab]:
    """One running workspace, gpubox/project, for all tests of a file: they leave it running."""
    with short_folder() as folder, running_lab(folder) as lab:
        (lab.laptop.project / "environment.yml").unlink()
        lab.laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env))
        yield lab


@pytest.fixture
def alone(box: Lab) -> Lab:
    """The same without a keeper: the next command must connect by itself."""
    for pid in box.laptop.keepers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return box
