"""The end of a session: who would be left, stop, and the proof that nothing is."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.answers import clean
from gpuws.plan.ports import Host, Script

_STAGE = "session"
_PACKAGE = "gpuws.engines"
_GONE = frozenset({"no-workspace", "workspace-not-found"})


@dataclass(frozen=True)
class Stopped:
    """``stopped``: something ran. ``left`` must be empty; ``kept`` is told, not removed."""

    stopped: bool
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stray:
    """A program that somebody started in the workspace. ``started``: seconds since the epoch."""

    pid: int
    started: int
    command: str
    ticks: int = 0  # its start as the kernel counts it: with the number, what it is known by


@dataclass(frozen=True)
class Process:
    """A process that carries the session's nonce."""

    pid: int
    parent: int
    session: int
    terminal: int  # 0: none
    ticks: int
    command: str


def stop(
    host: Host,
    *,
    root: str,
    name: str,
    keep_running: bool = False,
    purge: bool = False,
) -> Stopped:
    """End the session within 20 s and remove what it ran on. Safe to repeat.

    ``keep_running`` leaves the programs that ``strays`` lists; ``purge`` also removes the
    workspace's folder and its project folder under the root.
    """
    kept = strays(host, root=root, name=name) if keep_running else ()
    fragments = ("record.sh", "volume.sh", "look.sh", "hold.sh", "folders.sh", "nonce.sh")
    program = script(_PACKAGE, *fragments, "stop.sh")
    asked = (
        root,
        name,
        " ".join(f"{each.pid}:{each.ticks}" for each in kept),
        "1" if purge else "0",
    )
    try:
        answers = fields(host.run(program, *asked, timeout=120.0), _STAGE)
    except GpuwsError as error:
        if error.code in _GONE:
            return Stopped(False)
        raise
    running = tuple(f"process {each.pid}: {each.command}" for each in kept)
    return Stopped(
        stopped=answers.get("stopped") == ["yes"],
        removed=_words(answers, "removed"),
        left=_words(answers, "left"),
        kept=_words(answers, "kept") + running,
    )


def _words(answers: dict[str, list[str]], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clean(each, 400) for each in answers.get(key, ())))


def strays(host: Host, *, root: str, name: str) -> tuple[Stray, ...]:
    """Programs started from the workspace's terminals that still run, oldest first.

    Not among them: Jupyter, its kernels and what these started, idle shells, tmux.
    """
    program = script(
        _PACKAGE, "record.sh", "volume.sh", "look.sh", "folders.sh", "nonce.sh", "processes.sh"
    )
    try:
        answers = fields(host.run(program, root, name), _STAGE)
    except GpuwsError as error:
        if error.code in _GONE:
            return ()
        raise
    every = [each for line in answers.get("process", ()) if (each := _process(line))]
    service, supervisor = _first(answers, "service"), _first(answers, "supervisor")
    booted, ticks = _first(answers, "boot_time"), _first(answers, "ticks") or 100
    return tuple(
        Stray(each.pid, booted + each.ticks // ticks, each.command, each.ticks)
        for each in sorted(started_by_hand(every, service, supervisor), key=lambda p: p.ticks)
    )


def _first(answers: dict[str, list[str]], key: str) -> int:
    word = answers.get(key, [""])[0].partition(" ")[0]
    return int(word) if word.isdecimal() and len(word) < 16 else 0


def _process(line: str) -> Process | None:
    parts = line.split("\t", 5)
    numbers = parts[:5]
    if len(parts) != 6 or not all(n.lstrip("-").isdecimal() and len(n) < 16 for n in numbers):
        return None
    pid, parent, session, terminal, ticks = map(int, numbers)
    return Process(pid, parent, session, terminal, ticks, clean(parts[5], 300))


def started_by_hand(every: list[Process], service: int, supervisor: int) -> list[Process]:
    """Those that hang below a terminal's shell, or below nothing of the session any more.

    A terminal's shell leads a session with a terminal of its own; a kernel leads one without.
    """
    known = {each.pid: each for each in every}

    def is_shell(each: Process) -> bool:
        return each.terminal != 0 and each.session == each.pid

    def by_hand(each: Process) -> bool:
        if each.pid in (service, supervisor) or is_shell(each) or _is_tmux(each):
            return False
        while True:
            if each.parent == supervisor:
                return False
            above = known.get(each.parent)
            if above is None or _is_tmux(above) or is_shell(above):
                return above is None or above.pid != supervisor
            if above.pid == service:
                return False
            each = above

    return [each for each in every if by_hand(each)]


def _is_tmux(process: Process) -> bool:
    """The host's own, or the one that gpuws brought, by its path."""
    program, starts, _ = process.command.partition(" new-session ")
    return bool(starts) and program.startswith(("tmux ", "/")) and "tmux -S " in program


@dataclass(frozen=True)
class Holding:
    """A folder of ours on the host. ``kb`` is -1 where its size took too long to tell."""

    path: str
    kb: int


def holdings(host: Host, *, root: str) -> tuple[Holding, ...]:
    """Everything that gpuws ever put under a root, with sizes."""
    answers = fields(host.run(_purge_script(), root, "list", timeout=180.0), _STAGE)
    found = []
    for line in answers.get("holds", ()):
        path, _, size = line.partition("\t")
        found.append(Holding(clean(path, 400), int(size) if size.isdigit() else -1))
    return tuple(found)


def purge(host: Host, *, root: str) -> Stopped:
    """Remove all of it. Sessions and builds must have ended before."""
    answers = fields(host.run(_purge_script(), root, "remove", timeout=600.0), _STAGE)
    return Stopped(
        False, _words(answers, "removed"), _words(answers, "left"), _words(answers, "kept")
    )


def _purge_script() -> Script:
    return script(_PACKAGE, "record.sh", "volume.sh", "look.sh", "root.sh", "purge.sh")
