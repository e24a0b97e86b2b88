"""A workspace whose machine is gone while its folder is here: taken over, or asked about. Pure."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.plan.model import Workspace
from gpuws.plan.nodes import ago, node_of

MOVED, SILENT = "moved", "silent"
ADOPTABLE = frozenset({MOVED, SILENT})


def adopted(existing: Workspace | None) -> bool:
    """Whether a start of it takes over what another machine has left."""
    return existing is not None and existing.state in ADOPTABLE


def adoption(existing: Workspace, now: int) -> str:
    """The one line that says so. ``now``: the host's clock."""
    return f"adopted from {node_of(existing)}, last used {ago(now - existing.since)}"


def still_there(existing: Workspace, host: str, now: int) -> GpuwsError:
    """No sign of life is no proof: two sessions in one folder would spoil it."""
    return GpuwsError(
        "locked",
        f"{host}/{existing.name} may still run on {node_of(existing)}: its last sign of life was "
        f"{ago(now - existing.since)}, and its folder is on a file server that others have too",
        hint=f"if that machine is gone: `gpuws up {host} --here`; else connect to it",
        stage="session",
    )


def refuse_moved_folder(existing: Workspace | None, prefix: str, digest: str, host: str) -> None:
    """The volume hangs at another path now: scripts inside an environment name the old one."""
    before = existing.get("prefix") if existing and existing.state == MOVED else ""
    if not existing or not digest or before == prefix or not before.endswith(f"/envs/{digest}"):
        return
    raise GpuwsError(
        "not-relocatable",
        f"the environment of {host}/{existing.name} was built in {before} and is in {prefix} now; "
        "an environment cannot be moved",
        hint="mount the volume where it was, or build another: "
        f"`gpuws down {host}/{existing.name} --rm-env`, then `gpuws up {host}`",
        stage="environment",
    )
