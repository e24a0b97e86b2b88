"""What a session puts on the host, by name: sent by start, printed by --dry-run."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from gpuws.host.script import script

_PACKAGE = "gpuws.engines"

ENTER = ("gpuws.engines.tmux:program.sh", "activate.sh", "enter.sh")
"""A way into the workspace's environment: it also runs inside the tmux windows that it opens."""

File = tuple[str, str, str]
"""Path below the workspace's folder, mode in octal, text."""


@cache
def host_scripts() -> tuple[File, ...]:
    """What outlives the login, each called by its content; the supervisor comes first."""
    return (
        _named("session", "record.sh", "volume.sh", "look.sh", "activate.sh", "session.sh"),
        _named("enter", *ENTER),
        ("bin/terminal.bash", "600", _text("terminal.bash")),
    )


def _named(name: str, *parts: str) -> File:
    text = "#!/bin/sh\n" + script(_PACKAGE, *parts).text
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"bin/{name}-{digest}.sh", "700", text


def _text(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def plan_files(
    root: str, name: str, run: str, dir: str, jupyter: bool, engine: str = "tmux"
) -> tuple[str, ...]:
    """Every remote path that ``start`` makes; a folder ends in "/" where its content varies."""
    folder, unit = f"{root}/workspaces/{name}", run.rsplit("/", 1)[-1]
    own = ["workspace.json", "token", "env.sh", "prologue.sh", "launch.sh", "lock.1", "pid", "beat"]
    own += ["endpoint", "jupyter.log", *(path for path, _, _ in host_scripts())]
    if jupyter:
        own += ["service", "jupyter/config/jupyterlab", "jupyter/runtime/"]
        own += [f"jupyter/config/jupyter_{part}_config.py" for part in ("server", "lab")]
        own += ["jupyter/data/kernels/python3/kernel.json"]
    sockets = ["workspace", *(("jupyter.sock",) if jupyter else ())]
    sockets += ["tmux.sock", "tmux.pid"] if engine == "tmux" else [f"{unit}.pid"]
    return (
        f"{root}/.gpuws-root",
        *(f"{folder}/{path}" for path in own),
        *(f"{run}/{path}" for path in sockets),
        f"{dir}/",
    )


def plan_processes(run: str, name: str, jupyter: bool, engine: str = "tmux") -> tuple[str, ...]:
    """In words: what runs on the host afterwards."""
    server = (f"tmux server on {run}/tmux.sock",) if engine == "tmux" else ()
    return (
        *server,
        f"supervisor of {name}",
        *((f"JupyterLab on {run}/jupyter.sock",) if jupyter else ()),
    )
