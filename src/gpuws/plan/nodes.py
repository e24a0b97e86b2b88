"""Several machines behind one name: a workspace that runs on another one than was asked. Pure."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.plan.model import Workspace

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def node_of(workspace: Workspace) -> str:
    """The machine that it was started on, by that one's own name."""
    return workspace.get("node") or "another node"


def not_here(workspace: Workspace, why: str = "") -> GpuwsError:
    """``why``: what kept us from going there."""
    node = node_of(workspace)
    return GpuwsError(
        "not-running",
        f"{workspace.name} runs on {node}, and this is another node{f' ({why})' if why else ''}",
        hint=f"`gpuws attach {node}/{workspace.name}` where ssh knows {node}, or connect to {node}",
        stage="session",
    )


def out_of_sight(workspace: Workspace, host: str, now: int) -> str:
    """Of one that is silent or moved: what can be said of it here."""
    when = ago(now - workspace.since)
    if workspace.state == "moved":
        return (
            f"{host}/{workspace.name} ran on {node_of(workspace)}, whose disk is here now ({when})"
        )
    return f"{host}/{workspace.name} ran on {node_of(workspace)}: its last sign of life was {when}"


def ago(seconds: int) -> str:
    """In words, rounded down."""
    for size, unit in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
