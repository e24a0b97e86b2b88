"""One workspace's session on the host: start it, look at it. The host is the truth."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpuws.engines.ending import Stopped, Stray, stop, strays
from gpuws.engines.engine import Engine, engine_named
from gpuws.engines.entering import LogPart, enter, enter_shell, read_log
from gpuws.engines.files import host_scripts, plan_files, plan_processes
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.facts import workspaces_from
from gpuws.plan.model import Launch, Pairs, Secret, Workspace
from gpuws.plan.nodes import not_here
from gpuws.plan.ports import Host, Progress, Script

__all__ = [
    "LogPart",
    "Look",
    "Order",
    "Stopped",
    "Stray",
    "engine_named",
    "enter",
    "enter_shell",
    "look",
    "plan_files",
    "plan_processes",
    "read_log",
    "start",
    "stop",
    "strays",
    "tokens_from",
    "wait_until_running",
]

_STAGE = "session"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATIENCE = 10  # seconds that start.sh waits
_POLL = 0.5  # seconds
_TAIL = 30  # lines of the log that a crash is told with

Answers = dict[str, list[str]]


@dataclass(frozen=True)
class Order:
    """One session to start. ``record`` becomes workspace.json; ``launch`` None: no Jupyter."""

    root: str
    run_base: str
    engine: Engine
    name: str
    record: dict[str, Any]
    launch: Launch | None
    prefix: str  # "": no environment
    dir: str
    token: Secret
    prologue: tuple[str, ...] = ()
    env: Pairs = ()
    secret_env: Pairs = ()
    login_env: bool = False
    take: bool = False  # also from a machine that gives no sign of life

    @property
    def run(self) -> str:
        return str(self.record["run"])

    @property
    def folder(self) -> str:
        return f"{self.root}/workspaces/{self.name}"


@dataclass(frozen=True)
class Look:
    """What lives under a root now. Times are the host's, in seconds since the epoch."""

    root: str
    boot_id: str
    boot_time: int
    now: int
    node: str
    workspaces: tuple[Workspace, ...]
    tokens: dict[str, Secret] = field(default_factory=dict)

    def find(self, name: str) -> Workspace | None:
        return next((each for each in self.workspaces if each.name == name), None)


# --- start ----------------------------------------------------------------------------------------


def start(host: Host, order: Order, progress: Progress, *, wait: float = 120.0) -> Workspace:
    """Start the session, or find that it runs; one round trip when it is ready within 10 s.

    ``wait`` is how many seconds it may take. Raises GpuwsError: ``jupyter-crashed`` with the last
    lines of its log, ``jupyter-missing``, ``jupyter-timeout``, ``locked``, ``no-engine``, and what
    keeps the folders from being made.
    """
    answers = fields(
        host.run(_program(order.engine), *_arguments(order), timeout=90.0), stage=_STAGE
    )
    for text in answers.get("overridden", ()):
        progress.note(f"this setting of your own is put aside, it would open Jupyter: {text}")
    for text in answers.get("note", ()):
        progress.note(text)
    found = workspaces_from(answers)
    if not found:
        raise GpuwsError("remote-shell", "the host did not say what it started", stage=_STAGE)
    if found[0].state in ("running", "starting"):
        return wait_until_running(host, found[0], progress, root=order.root, wait=wait)
    raise crashed(found[0], answers.get("log", []), order.token)


def _program(engine: Engine) -> Script:
    fragments = ("volume.sh", "look.sh", "hold.sh", "folders.sh")
    return script("gpuws.engines", *engine.fragments, *fragments, "start.sh")


def _arguments(order: Order) -> tuple[str, ...]:
    unit = order.run.rsplit("/", 1)[-1]
    scripts = host_scripts()
    keys = "|".join(order.launch.overrides) if order.launch else ""
    sent = [text for path, mode, text in (*_files(order), *scripts) for text in (path, mode, text)]
    return (
        *(order.root, order.name, order.run, unit, order.dir, order.prefix, keys, str(_PATIENCE)),
        *(scripts[0][0], str(order.record["instance"]), "1" if order.take else "0", *sent),
    )


def _files(order: Order) -> tuple[tuple[str, str, str], ...]:
    """(path below the workspace's folder, mode, text). workspace.json goes first: from then on
    the folder says whose it is."""
    launch = order.launch
    return (
        ("workspace.json", "600", _record(order)),
        ("token", "600", order.token.reveal()),
        ("env.sh", "600", _environment(order)),
        ("prologue.sh", "600", "".join(line + "\n" for line in order.prologue)),
        ("launch.sh", "600", _launch(launch, order.dir) if launch else ""),
        *((f.path, f"{f.mode:o}", f.text) for f in (launch.files if launch else ())),
    )


def _record(order: Order) -> str:
    """One line, so that a shell can read it."""
    for key in ("run", "prefix", "instance"):
        if re.search(r'["\\\x00-\x1f]', str(order.record.get(key, ""))):
            raise GpuwsError(
                "no-root-folder",
                f"{order.record[key]!r} has characters that gpuws cannot use in a path",
                hint="name another folder with root: in hosts.yaml",
                stage=_STAGE,
            )
    return json.dumps(order.record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _environment(order: Order) -> str:
    """env.sh: the session's settings and the user's variables, secret ones too (0600)."""
    settings = {
        "gpuws_prefix": order.prefix,
        "gpuws_dir": order.dir,
        "gpuws_run": order.run,
        "gpuws_login": "1" if order.login_env else "0",
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    nonce = (("GPUWS_SESSION", str(order.record["instance"])),)
    lines += [_export(*pair) for pair in (*order.env, *order.secret_env, *nonce)]
    return "\n".join(lines) + "\n"


def _launch(launch: Launch, folder: str) -> str:
    """launch.sh: read by the supervisor, ends by becoming the service."""
    lines = [f"unset {name} || :" for name in launch.unset]
    for name, value in launch.env:
        # what the host has set in a list of folders stays, behind ours
        rest = f'"${{{name}:+:${name}}}"' if name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH") else ""
        lines.append(_export(name, value) + rest)
    lines.append(f"cd -- {shlex.quote(launch.cwd or folder)} || exit")
    lines.append("gpuws_serve " + " ".join(shlex.quote(word) for word in launch.argv))
    return "\n".join(lines) + "\n"


def _export(name: str, value: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise GpuwsError(
            "hosts-file-invalid",
            f"{name!r} cannot be the name of an environment variable",
            hint="letters, digits and _, not a digit first",
            stage=_STAGE,
        )
    return f"export {name}={shlex.quote(value)}"


def crashed(workspace: Workspace, log: list[str], token: Secret) -> GpuwsError:
    """The session has ended; its last words. The token is not among them, whoever printed it."""
    text = "\n".join(log[-_TAIL:])
    if token:
        text = text.replace(token.reveal(), "•••")
    if re.search(r"No module named '?jupyterlab\b", text):
        return GpuwsError(
            "jupyter-missing",
            f"the environment {workspace.get('prefix')} has no JupyterLab",
            hint="add jupyterlab and ipykernel to it, or use --no-jupyter",
            stage=_STAGE,
            detail=text,
        )
    return GpuwsError(
        "jupyter-crashed",
        f"Jupyter of {workspace.name} ended as it started; its last lines are below",
        hint=f"the whole log is on the host: {workspace.name}/jupyter.log, or `gpuws logs`",
        stage=_STAGE,
        detail=text,
    )


# --- look -----------------------------------------------------------------------------------------


def look(host: Host, *, root: str = "", name: str = "") -> Look:
    """What lives under ``root`` ("": the one the host remembers), in one round trip.

    ``tokens`` has those of ``name``, or of all. Raises GpuwsError("remote-shell").
    """
    program = script(
        "gpuws.engines", "record.sh", "volume.sh", "look.sh", "root.sh", "workspaces.sh"
    )
    return look_from(fields(host.run(program, root, name, in_sight=True), stage=_STAGE))


def look_from(answers: Answers) -> Look:
    """Strict: a number is a number."""
    return Look(
        root=_one(answers, "root"),
        boot_id=_one(answers, "boot_id"),
        boot_time=_number(_one(answers, "boot_time")),
        now=_number(_one(answers, "now")),
        node=_one(answers, "node"),
        workspaces=workspaces_from(answers),
        tokens=tokens_from(answers),
    )


def tokens_from(answers: Answers) -> dict[str, Secret]:
    """By workspace, of those that the host tells too. What could not stand in a header is none."""
    pairs = (line.partition("\t") for line in answers.get("token", ()))
    known = {each.name for each in workspaces_from(answers)}
    return {
        name: Secret(text)
        for name, _, text in pairs
        if name in known and re.fullmatch(r"[!-~]{1,512}", text)
    }


def _one(answers: Answers, key: str) -> str:
    return answers.get(key, [""])[0]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0


def wait_until_running(
    host: Host,
    workspace: Workspace,
    progress: Progress,
    *,
    root: str = "",
    wait: float = 120.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Workspace:
    """The workspace once it answers; its log's last line is the progress. At once if it does."""
    if workspace.elsewhere:
        raise not_here(workspace)
    left = wait
    offset = -1
    seen = None
    while workspace.state == "starting":
        if left <= 0:
            raise _too_slow(workspace, wait)
        sleep(_POLL)
        left -= _POLL
        seen = look(host, root=root, name=workspace.name)
        part = read_log(host, root=seen.root, name=workspace.name, offset=offset, tail=1)
        offset = part.offset
        if part.text.strip():
            progress.line(part.text.strip().rsplit("\n", 1)[-1])
        found = seen.find(workspace.name)
        workspace = found or Workspace(workspace.name, "stopped")
    if workspace.state == "running":
        return workspace
    where = seen.root if seen else root
    log = read_log(host, root=where, name=workspace.name, offset=-1, tail=_TAIL).text
    token = seen.tokens.get(workspace.name, Secret("")) if seen else Secret("")
    raise crashed(workspace, log.splitlines(), token)


def _too_slow(workspace: Workspace, wait: float) -> GpuwsError:
    return GpuwsError(
        "jupyter-timeout",
        f"Jupyter of {workspace.name} still starts after {wait:.0f} s; it goes on",
        hint=f"`gpuws logs {workspace.name}` shows what it does; `gpuws attach` joins it",
        stage=_STAGE,
        retryable=True,
    )
