"""Where a session or a build runs: one folder an engine, each with the same words."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.model import HostFacts


@dataclass(frozen=True)
class Engine:
    """``fragments`` define engine_start, engine_alive and engine_stop for a script after them,
    which sets ``root``."""

    name: str
    fragments: tuple[str, ...]


_RECORD = "gpuws.engines:record.sh"
_TMUX = "gpuws.engines.tmux"
TMUX = Engine("tmux", (_RECORD, f"{_TMUX}:program.sh", f"{_TMUX}:engine.sh"))
SETSID = Engine("setsid", (_RECORD, "gpuws.engines.setsid:engine.sh"))
ENGINES = {engine.name: engine for engine in (TMUX, SETSID)}
_OLDEST_TMUX = (1, 8)  # -P -F of new-session


def engine_for(facts: HostFacts) -> Engine:
    """tmux where the host has a usable one, else a detached process of its own session."""
    tmux = facts.tool("tmux")
    return TMUX if tmux and _new_enough(tmux.version) else SETSID


def _new_enough(version: str) -> bool:
    """An unknown version ("next-3.5", "master") is taken as new."""
    number = version.split("-")[-1].rstrip("abcdefghijklmnopqrstuvwxyz")
    parts = number.split(".")
    if not all(part.isdigit() for part in parts):
        return True
    return tuple(map(int, parts)) >= _OLDEST_TMUX


def engine_named(name: str) -> Engine:
    """The engine that a workspace.json names. Raises newer-workspace for one we do not know."""
    if name in ENGINES:
        return ENGINES[name]
    raise GpuwsError(
        "newer-workspace",
        f"the workspace runs in {name or 'an unnamed engine'}, which this gpuws does not know",
        hint="use the gpuws that made it, or a newer one",
        stage="session",
    )
