"""A laptop: folders of its own and the real `gpuws` as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.sshd import Sshd

PIP_ONLY = """\
name: demo
dependencies:
  - python
  - pip
  - pip:
      - jupyterlab
      - ipykernel
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    def data(self) -> dict[str, Any]:
        document = self.json()
        assert document["ok"], document
        found: dict[str, Any] = document["data"]
        return found


class Laptop:
    """``folder`` holds its configuration, state, cache and a project folder. ``within``: the words
    before each command, which lead to a network of its own."""

    def __init__(
        self, folder: Path, server: Sshd | None = None, within: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self._gpuws = [*within, sys.executable, "-m", "gpuws"]
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        self.config = folder / "config"
        self.config.mkdir()
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("GPUWS_")},
            "GPUWS_CONFIG_DIR": str(self.config),
            "GPUWS_STATE_DIR": str(folder / "state"),
            "GPUWS_CACHE_DIR": str(folder / "cache"),
            "PYTHONWARNINGS": "error::ResourceWarning",
        }
        if server is not None:
            self.env["GPUWS_SSH_CONFIG"] = str(server.config)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_AUTH_SOCK"):
            self.env.pop(name, None)

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.write_text(text, encoding="utf-8")
        return path

    def hosts(self, text: str) -> None:
        (self.config / "hosts.yaml").write_text(text, encoding="utf-8")

    def start(self, *args: str, **more: Any) -> subprocess.Popen[str]:
        """The command as a process of its own group, so that a test can signal it."""
        return subprocess.Popen(
            [*self._gpuws, *args],
            cwd=self.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **more,
        )

    def run(self, *args: str, stdin: str = "", timeout: float = 90) -> Done:
        done = subprocess.run(
            [*self._gpuws, *args],
            cwd=self.project,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str, **more: Any) -> Done:
        done = self.run(*args, **more)
        assert done.code == 0, (args, done)
        return done

    def keepers(self) -> list[int]:
        """Pids of this laptop's background processes."""
        found = []
        mark = f"GPUWS_STATE_DIR={self.folder / 'state'}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                mine = mark in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mine and b"gpuws.keeper" in words:
                found.append(int(entry.name))
        return found

    def end(self) -> None:
        """No background process outlives a test."""
        for pid in self.keepers():
            os.kill(pid, signal.SIGTERM)
