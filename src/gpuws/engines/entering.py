"""Into a workspace: a command or a terminal in its environment, and its log."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.engines.files import ENTER
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host, Script

_PACKAGE = "gpuws.engines"


@dataclass(frozen=True)
class LogPart:
    """Whole lines of a log and where to go on."""

    text: str
    offset: int  # bytes


def enter(
    root: str, workspace: Workspace, command: tuple[str, ...]
) -> tuple[Script, tuple[str, ...]]:
    """Script and arguments for ``Host.open_process``: a command, with its own exit status."""
    if not command:
        raise GpuwsError("usage", "there is no command to run", hint="gpuws exec HOST -- COMMAND")
    folder = f"{root}/workspaces/{workspace.name}"
    return script(_PACKAGE, *ENTER), (folder, "exec", *command)


def enter_shell(root: str, workspace: Workspace) -> tuple[Script, tuple[str, ...]]:
    """The same for a terminal: inside the session's tmux where it has one."""
    folder = f"{root}/workspaces/{workspace.name}"
    return script(_PACKAGE, *ENTER), (folder, "shell")


def read_log(
    host: Host, *, root: str, name: str, offset: int, tail: int, build: bool = False
) -> LogPart:
    """Whole lines from ``offset`` (bytes) on, from -1 the last ``tail`` lines; 256 KiB at most.

    ``build`` reads the log of the newest build that was wanted by that name ("": by any) instead of
    Jupyter's; there need not be a workspace.
    """
    program = script(_PACKAGE, "record.sh", "volume.sh", "look.sh", "folders.sh", "log.sh")
    asked = (root, name, str(offset), str(tail), "1" if build else "0")
    answers = fields(host.run(program, *asked), "logs")
    told = answers.get("offset", ["0"])[0].strip()
    lines = answers.get("log", [])
    text = "".join(f"{line}\n" for line in lines)
    return LogPart(text, int(told) if told.isdecimal() and len(told) < 16 else 0)
