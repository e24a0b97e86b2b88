"""A second Jupyter of the lab's environment, started as gpuws does, that does not compress."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import _lab
from gpuws.plan.model import Launch
from gpuws.services.jupyter import launch

SETTING = '"compress_response": False'
DIFFERENCE = (
    "the workspace's command, files and environment, but for "
    f"c.ServerApp.tornado_settings = {{{SETTING}, …}}"
)
_OURS = '"compress_response": True'
_BASE_URL = "/plain/"
_PATIENCE = 30.0  # seconds until it serves


@dataclass(frozen=True)
class Plain:
    folder: Path
    token: str

    @property
    def socket(self) -> str:
        return f"{self.folder}/jupyter.sock"

    def address(self) -> _lab.Address:
        return _BASE_URL, self.token


@contextlib.contextmanager
def uncompressed(bench: _lab.Bench) -> Iterator[Plain]:
    plain = Plain(bench.folder / "plain", os.urandom(16).hex())
    made = _launch(plain, bench.record())
    _write(plain, made)
    process = _start(plain, made, bench.made.home)
    try:
        _wait_for(plain)
        yield plain
    finally:
        process.terminate()
        process.wait(30)


def _launch(plain: Plain, record: dict[str, str]) -> Launch:
    return launch(
        workspace_folder=str(plain.folder),
        run=str(plain.folder),
        prefix=record["prefix"],
        base_url=_BASE_URL,
        instance="plain",
        dir=record["dir"],
        socket=True,
    )


def _write(plain: Plain, made: Launch) -> None:
    changed = 0
    for path, text in (("token", plain.token), *((each.path, each.text) for each in made.files)):
        place = plain.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace(_OURS, SETTING))
        changed += _OURS in text
    assert changed == 2, "a file for the server and one for JupyterLab say whether to compress"


def _start(plain: Plain, made: Launch, home: Path) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in made.unset}
    with (plain.folder / "log").open("wb") as log:
        return subprocess.Popen(
            made.argv,
            cwd=made.cwd,
            env={**env, "HOME": str(home), **dict(made.env)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait_for(plain: Plain) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.connect(plain.socket)
            return
        time.sleep(0.05)
    log = (plain.folder / "log").read_text()
    raise SystemExit(f"no second Jupyter in {_PATIENCE:.0f} s: {log[-2000:]}")
