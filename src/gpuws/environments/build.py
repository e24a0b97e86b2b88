"""Make an environment be there: reuse it, join the build that runs, or start one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gpuws.environments import local
from gpuws.environments.choose import Choice, choose, python_for, venv_instead
from gpuws.environments.failures import failure
from gpuws.environments.following import Answers, follow, last
from gpuws.environments.mirrors import mirrored
from gpuws.environments.order import FRAGMENTS, BuildOrder, Engine, build_script, files
from gpuws.environments.progress import plain
from gpuws.environments.sharing import ELSEWHERE, order_after, shared_lines
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

_TURNS = 5  # builds of others that are waited for, and one's own
_PACKAGE = "gpuws.environments"


@dataclass(frozen=True)
class Built:
    """``action``: created, or reused when it was complete. ``seconds``: what the build took.
    ``prefix``: as ordered, or one's own where it could not be shared."""

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
    for turns_left in reversed(range(_TURNS)):
        order, found = _begun(host, order, progress, fetch, join_only=join_only)
        state = last(found, "state")
        if state not in ELSEWHERE:
            break
        follower = _engine_script(order.engine, "follow.sh")
        patient = turns_left > 1
        order = order_after(host, order, found, progress, follower, patient=patient)
    if state == "complete":
        return _built(order, last(found, "marker"), "reused")
    if state == "absent":
        raise _nobody(order)
    if state == "running" and last(found, "base") == order.root:
        order = replace(order, shared="")  # it was begun where it could not be shared
    _announce(order, state, progress)
    return _follow(host, order, progress)


def _begun(
    host: Host,
    order: BuildOrder,
    progress: Progress,
    fetch: Fetch | None,
    *,
    join_only: bool,
) -> tuple[BuildOrder, Answers]:
    """The order with a tool that is there, where one was needed, and what start.sh says."""
    asks_first = order.choice.bring or order.mirror is not None
    found = _ask(host, order, "join" if join_only or asks_first else "start")
    if last(found, "state") == "absent" and not join_only:
        order = _brought(host, mirrored(host, order, progress), progress, fetch)
        found = _ask(host, order, "start")
    return order, found


def _nobody(order: BuildOrder) -> GpuwsError:
    return GpuwsError(
        "environment-not-found",
        f"nobody builds the environment {order.hash} on the host",
        hint="`gpuws up` builds it",
        stage="environment",
    )


def _announce(order: BuildOrder, state: str, progress: Progress) -> None:
    if state == "running":
        progress.note("this environment is already being built on the host: joining")
        return
    progress.note(f"built with {order.choice.tool}: {order.choice.why}")
    if order.facts.settings:
        progress.note("the host's own settings are honoured: " + ", ".join(order.facts.settings))


def _engine_script(engine: Engine, *names: str) -> Script:
    return script(_PACKAGE, *engine.fragments, "mark.sh", *FRAGMENTS, *names)


def _ask(host: Host, order: BuildOrder, mode: str) -> Answers:
    """What start.sh says."""
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
        order.shared,
    )
    return fields(host.run(program, *who, *sent, timeout=300.0), "environment")


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
    """Log lines into progress until the build has ended."""
    answers = follow(host, _engine_script(order.engine, "follow.sh"), order, progress)
    state = last(answers, "state")
    if state == "done":
        return _built(order, last(answers, "marker"), "created")
    raise _failure(order, state, answers)


def _failure(order: BuildOrder, state: str, answers: Answers) -> GpuwsError:
    word, code, status = (*state.split(" "), "", "", "")[:3]
    if word != "failed":  # nobody was left to write the end of it
        full = last(answers, "free_kb")
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
        *shared_lines(order),
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
