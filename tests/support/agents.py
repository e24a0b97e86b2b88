"""A real ssh-agent, and a person who confirms what it signs."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sshd import free_port


@pytest.fixture
def confirmed(tmp_path: Path) -> Path:
    """A line for each signature that the agent asked to have confirmed (`ssh-add -c`)."""
    return tmp_path / "confirmed"


@pytest.fixture
def agent(tmp_path: Path, confirmed: Path) -> Iterator[str]:
    """The socket of a real ssh-agent. Whoever it asks says yes, and writes that down."""
    path = f"/tmp/gpuws-agent-{os.getpid()}-{free_port()}"
    askpass = tmp_path / "askpass"
    askpass.write_text(f"#!/bin/sh\necho \"$1\" >>'{confirmed}'\necho yes\n")
    askpass.chmod(0o700)
    env = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, env={**env, "DISPLAY": ":0"}
    )
    try:
        while not Path(path).exists():
            time.sleep(0.01)
        yield path
    finally:
        process.terminate()
        process.wait()
        Path(path).unlink(missing_ok=True)


def add(agent: str, *keys: Path, confirm: bool = False) -> None:
    for key in keys:
        environment = {**os.environ, "SSH_AUTH_SOCK": agent}
        command = ["ssh-add", "-q", *(["-c"] if confirm else []), str(key)]
        subprocess.run(command, env=environment, check=True)
