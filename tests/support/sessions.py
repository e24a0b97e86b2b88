"""Workspaces for tests: orders, a quick stand-in for JupyterLab, and what /proc says."""

from __future__ import annotations

import json
import os
import secrets
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

from gpuws.engines.engine import TMUX, Engine
from gpuws.engines.session import Order, start
from gpuws.plan.model import Launch, Secret, Workspace
from gpuws.services import jupyter
from tests.support.local_host import LocalHost

BASE_URL = "/w-0123456789abcdef/"


class Told:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    def stage(self, name: str, detail: str = "") -> None: ...
    def advise(self, about: str, *lines: str) -> None: ...

    def line(self, text: str) -> None:
        self.lines.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    warn = note


@dataclass
class Lab:
    """One workspace named demo on this machine."""

    home: Path
    host: LocalHost
    prefix: str
    engine: Engine = TMUX
    name: str = "demo"
    socket: bool = True
    told: Told = field(default_factory=Told)
    token: Secret = field(default_factory=lambda: Secret(secrets.token_hex(32)))
    instance: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def root(self) -> str:
        return f"{self.home}/gpuws"

    @property
    def folder(self) -> Path:
        return Path(self.root, "workspaces", self.name)

    @property
    def run(self) -> Path:
        return Path(self.root, "run", "w-12345678")

    def record(self, **changes: object) -> dict[str, object]:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {
            "schema": 1,
            "name": self.name,
            "node": os.uname().nodename,
            "boot_id": boot,
            "engine": self.engine.name,
            "run": str(self.run),
            "base_url": BASE_URL,
            "instance": self.instance,
            "dir": f"{self.root}/projects/{self.name}",
            "prefix": self.prefix,
            "jupyter": True,
            "created": int(time.time()),
            **changes,
        }

    def launch(self) -> Launch:
        return jupyter.launch(
            workspace_folder=str(self.folder),
            run=str(self.run),
            prefix=self.prefix,
            base_url=BASE_URL,
            instance=self.instance,
            dir=f"{self.root}/projects/{self.name}",
            socket=self.socket,
        )

    def order(self, **changes: object) -> Order:
        values: dict[str, object] = {
            "root": self.root,
            "run_base": str(self.run.parent),
            "engine": self.engine,
            "name": self.name,
            "record": self.record(),
            "launch": self.launch(),
            "prefix": self.prefix,
            "dir": f"{self.root}/projects/{self.name}",
            "token": self.token,
            **changes,
        }
        return Order(**values)  # type: ignore[arg-type]

    def start(self, **changes: object) -> Workspace:
        return start(self.host, self.order(**changes), self.told)

    def start_within(self, seconds: float) -> Workspace:
        return start(self.host, self.order(), self.told, wait=seconds)

    def rewrite(self, **changes: object) -> None:
        """workspace.json as somebody else might leave it."""
        (self.folder / "workspace.json").write_text(json.dumps(self.record(**changes)) + "\n")

    def service(self) -> int:
        return int((self.folder / "service").read_text().split()[0])


def carrying(text: str) -> list[int]:
    """Processes whose environment has this text: asked of /proc, not of gpuws."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (each / "environ").read_bytes():
                found.append(int(each.name))
        except OSError:
            continue
    return found


def gone(pid: int) -> bool:
    """Ended; a zombie that nobody has waited for counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def stand_in(prefix: Path, *, before: str = "") -> Path:
    """An environment whose Python serves at once what JupyterLab serves after seconds.

    It takes Jupyter's options, opens its socket, writes its run file and ends on TERM; whatever
    else is asked of this Python is done by a real one. ``before`` is sh that runs first.
    """
    (prefix / "bin").mkdir(parents=True)
    server = prefix / "server.py"
    server.write_text(_SERVER)
    python = prefix / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\ncase $1 in */jupyterlab) ;; *) exec {sys.executable} "$@" ;; esac\n{before}\n'
        f'exec {sys.executable} "{server}" "$@"\n'
    )
    python.chmod(0o755)
    return prefix


_SERVER = textwrap.dedent("""\
    import json, os, signal, socket, sys, time

    options = dict(word[12:].split("=", 1) for word in sys.argv if word.startswith("--ServerApp."))
    path = os.path.join(os.environ["JUPYTER_RUNTIME_DIR"], f"jpserver-{os.getpid()}.json")
    open(os.environ["JUPYTER_TOKEN_FILE"]).read()
    server = socket.socket(socket.AF_UNIX if "sock" in options else socket.AF_INET)
    if "sock" in options:
        server.bind(options["sock"])
        os.chmod(options["sock"], 0o600)
    else:
        server.bind(("127.0.0.1", 0))
    server.listen(16)
    port = 0 if "sock" in options else server.getsockname()[1]
    print("serving", flush=True)
    with open(path, "w") as file:
        json.dump({"pid": os.getpid(), "port": port}, file)

    def end(*_):
        os.remove(path)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        connection, _ = server.accept()
        connection.close()
""")
