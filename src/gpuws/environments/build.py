"""Make an environment be there: reuse it, join the build that runs, or start one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from gpuws.environments import local
from gpuws.environments.choose import Choice, choose, python_for, venv_instead
from gpuws.environments.failures import failure
from gpuws.environments.mirrors import mirrored
from gpuws.environments.order import BuildOrder, Engine, build_script, files
from gpuws.environments.progress import Lines, plain
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.blame import with_lines
from gpuws.plan.ports import Host, Progress, Script

__all__ = [
    "BuildOrder",
    "Built",
    "Choice",
    "cancel",
    "choose",
    "ensure",
    "plan_lines",
    "python_for",
    "running",
]

Fetch = Callable[[str], bytes]

_POLL = 10.0  # seconds that the host waits for news before it answers
_GATHER = 0.3  # seconds in which lines may gather, so that a fast build is not a call a line
_PACKAGE = "gpuws.environments"


@dataclass(frozen=True)
class Built:
    """``action``: created, or reused when it was complete. ``seconds``: what the build took."""

    prefix: str
    hash: str
    tool: str
    tool_version: str
    action: str
    seconds: float


def ensure(
    host: Host,
    order: BuildOrder,
    progress: Progress,
    fetch: Fetch | None,
    *,
    join_only: bool = False,
) -> Built:
    """The complete environment. The build runs on the host and outlives this call.

    ``fetch`` downloads on the laptop, for a host that has no way out. ``join_only`` starts
    nothing: environment-not-found where there is neither an environment nor a build.
    Raises an environment error with the last lines of the log in ``detail``.
    """
    asks_first = order.choice.bring or order.mirror is not None
    mode = "join" if join_only or asks_first else "start"
    state, marker = _ask(host, order, mode)
    if state == "absent" and not join_only:
        order = _brought(host, mirrored(host, order, progress), progress, fetch)
        state, marker = _ask(host, order, "start")
    if state == "complete":
        return _built(order, marker, "reused")
    if state == "absent":
        raise GpuwsError(
            "environment-not-found",
            f"nobody builds the environment {order.hash} on the host",
            hint="`gpuws up` builds it",
            stage="environment",
        )
    _announce(order, state, progress)
    return _follow(host, order, progress)


def _announce(order: BuildOrder, state: str, progress: Progress) -> None:
    if state == "running":
        progress.note("this environment is already being built on the host: joining")
        return
    progress.note(f"built with {order.choice.tool}: {order.choice.why}")
    if order.facts.settings:
        progress.note("the host's own settings are honoured: " + ", ".join(order.facts.settings))


def _engine_script(engine: Engine, *names: str) -> Script:
    return script(_PACKAGE, *engine.fragments, "mark.sh", "lock.sh", *names)


def _ask(host: Host, order: BuildOrder, mode: str) -> tuple[str, str]:
    """(state, marker line) after start.sh."""
    name, text = build_script()
    sent = [name, "700", text] if mode == "start" else []
    for file in files(order) if mode == "start" else ():
        sent += file
    program = _engine_script(order.engine, "own.sh", "start.sh")
    who = (
        order.root,
        order.hash,
        order.engine.name,
        order.unit,
        order.run,
        mode,
        name,
        order.wanted_by,
    )
    answers = fields(host.run(program, *who, *sent, timeout=300.0), "environment")
    return _last(answers, "state"), _last(answers, "marker")


def _last(answers: dict[str, list[str]], key: str) -> str:
    return answers.get(key, [""])[-1]


# --- bringing the tool -------------------------------------------------------------------------


def _brought(host: Host, order: BuildOrder, progress: Progress, fetch: Fetch | None) -> BuildOrder:
    """The order with a tool that is there. Without uv, venv does."""
    if not order.choice.bring:
        return order
    if order.choice.conda:
        from gpuws.environments.conda.bring import bring

        progress.line("bringing micromamba to the host")
        tool = bring(host, order, progress, fetch)
        return replace(order, choice=replace(order.choice, path=tool.path))
    from gpuws.environments.uv.bring import bring as bring_uv

    progress.line("bringing uv to the host")
    try:
        tool = bring_uv(host, order, progress, fetch)
    except GpuwsError as error:
        if error.code == "wrong-hash":
            raise
        progress.warn(f"uv cannot be brought ({error.message}): venv and pip instead")
        return replace(order, choice=venv_instead(order.choice, "uv cannot be brought"))
    return replace(order, choice=replace(order.choice, path=tool.path))


# --- following -----------------------------------------------------------------------------------


def _follow(host: Host, order: BuildOrder, progress: Progress) -> Built:
    """Log lines into progress until the build has ended; the host waits, so polls are few."""
    lines, offset = Lines(order.choice.tool), 0
    program = _engine_script(order.engine, "follow.sh")
    while True:
        asked = (order.root, order.hash, str(offset), str(int(_POLL)))
        answers = fields(host.run(program, *asked, timeout=_POLL + 60), "environment")
        for text in answers.get("log", ()):
            shown = lines.read(text)
            if shown:
                progress.line(shown)
        offset = _number(_last(answers, "offset"))
        state = _last(answers, "state")
        if state == "done":
            return _built(order, _last(answers, "marker"), "created")
        if state != "running" or "dead" in answers:
            raise _failure(order, state, answers)
        if answers.get("log"):
            time.sleep(_GATHER)


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 12 else 0


def _failure(order: BuildOrder, state: str, answers: dict[str, list[str]]) -> GpuwsError:
    word, code, status = (*state.split(" "), "", "", "")[:3]
    if word != "failed":  # nobody was left to write the end of it
        full = _last(answers, "free_kb")
        code = "disk-full" if full.isdigit() and int(full) < 64 else "build-interrupted"
    where = f"{order.spec.source} with {order.choice.tool}"
    if code == "disk-full":
        return failure("", "", ("No space left on device", *answers.get("tail", ())), where)
    found = failure(code, status, tuple(answers.get("tail", ())), where)
    return with_lines(found, order.spec)


_TOOL = re.compile(r"[a-z]{1,20}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{0,40}")


def _built(order: BuildOrder, marker: str, action: str) -> Built:
    """From the marker's one line of JSON, strictly; a strange one tells nothing."""
    try:
        known = json.loads(marker)
    except ValueError:
        known = {}
    known = known if isinstance(known, dict) else {}
    tool, version = known.get("tool"), known.get("version")
    seconds = known.get("seconds")
    return Built(
        prefix=order.prefix,
        hash=order.hash,
        tool=tool if isinstance(tool, str) and _TOOL.fullmatch(tool) else order.choice.tool,
        tool_version=version if isinstance(version, str) and _VERSION.fullmatch(version) else "",
        action=action,
        seconds=float(seconds) if isinstance(seconds, int) and 0 <= seconds < 1 << 31 else 0.0,
    )


@dataclass(frozen=True)
class Running:
    """A build under way, and the workspaces that asked for it."""

    hash: str
    engine: str
    wanted_by: tuple[str, ...]


def running(host: Host, root: str) -> tuple[Running, ...]:
    """Every build that lives below a root."""
    reply = host.run(script(_PACKAGE, "lock.sh", "running.sh"), root, timeout=30.0)
    found = []
    for line in fields(reply, "environment").get("build", ()):
        digest, engine, *names = line.split()
        found.append(Running(digest, engine, tuple(names)))
    return tuple(found)


# --- ending, and telling beforehand ---------------------------------------------------------


def cancel(host: Host, root: str, digest: str, engine: Engine) -> tuple[str, ...]:
    """End a build and take its unfinished prefix away; the paths removed. Safe to repeat.

    A complete environment is left alone. ``engine`` is the one that ``running`` names.
    """
    program = _engine_script(engine, "cancel.sh")
    answers = fields(host.run(program, root, digest, timeout=60.0), "environment")
    return tuple(plain(path) for path in answers.get("removed", ()))


def plan_lines(order: BuildOrder) -> tuple[str, ...]:
    """Every remote path that ``ensure`` would make: what `up --dry-run` prints."""
    ours = [f"{order.root}/tools/bin/{order.choice.tool}"] if order.choice.bring else []
    sent = [build_script()[0], *(name for name, _, _ in files(order))]
    sent += ["pid", "state", "build.log", "lock.1"]
    sent += [f"wanted-{order.wanted_by}"] if order.wanted_by else []
    if order.choice.tool == "conda":
        ours.append(f"{order.root}/builds/.conda-lock")
    return (
        f"{order.root}/.gpuws-root",
        *ours,
        *(f"{order.folder}/{name}" for name in sorted(sent)),
        *local.plan_lines(order),
        f"{order.prefix}/",
        *_caches(order),
        f"{order.run}/ (while it is built)",
    )


def _caches(order: BuildOrder) -> tuple[str, ...]:
    base = order.cache_dir or f"{order.root}/cache"
    ours = order.choice.bring or order.choice.path.startswith(f"{order.root}/tools/")
    if order.choice.tool == "uv":
        return (f"{base}/uv/" + ("" if order.cache_dir else " (or the host's own)"),)
    found = [f"{base}/conda/"] if order.choice.conda and (ours or order.cache_dir) else []
    if order.spec.pip or order.choice.tool == "venv":
        found.append(f"{base}/pip/" if order.cache_dir else f"{base}/pip/ (or the host's own)")
    return tuple(found)
