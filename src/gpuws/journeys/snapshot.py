"""Before `down`: an environment that was changed by hand can be written down."""

from __future__ import annotations

from gpuws.engines.session import Look
from gpuws.environments.installed import Installed, installed
from gpuws.errors import GpuwsError
from gpuws.journeys.way import ALIVE
from gpuws.journeys.world import World
from gpuws.journeys.written import with_changes
from gpuws.plan.drift import Drift, drift
from gpuws.plan.inventory import hash_of
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import DownRequest
from gpuws.plan.results import Snapshot

_PATIENCE = 10.0  # seconds; a slow disk must not keep anybody from stopping


def offer(
    request: DownRequest, workspace: Workspace, seen: Look, host: Host, world: World
) -> tuple[Snapshot, ...]:
    """One round trip at most, and never a reason for `down` to fail; the laptop writes it."""
    if not _asks(request, workspace, seen):
        return ()
    found = _installed(workspace, seen, host, world)
    moved = drift(found.then, found.now) if found and found.then is not None else None
    if found is None or not moved:
        if request.snapshot:
            world.report.note(f"nothing is known to be changed in {workspace.get('prefix')}")
        return ()
    if not _wanted(request, workspace, moved, world):
        return ()
    place = f"{request.reach.host}/{workspace.name}"
    return (Snapshot(place, with_changes(workspace, found, moved, request.reach.entry)),)


def _asks(request: DownRequest, workspace: Workspace, seen: Look) -> bool:
    """A second `down`, of what has ended already, asks nothing again."""
    if request.snapshot is False or not hash_of(workspace.get("prefix"), seen.root):
        return False
    return bool(request.snapshot) or request.rm_env or workspace.state in ALIVE


def _installed(workspace: Workspace, seen: Look, host: Host, world: World) -> Installed | None:
    prefix = workspace.get("prefix")
    try:
        return installed(host, root=seen.root, prefix=prefix, timeout=_PATIENCE)
    except GpuwsError as error:
        if error.code != "environment-not-found":
            world.report.warn(f"what was changed in {prefix} cannot be asked: {error.message}")
        return None


def _wanted(request: DownRequest, workspace: Workspace, moved: Drift, world: World) -> bool:
    if request.snapshot:
        return True
    what = f"the environment of {request.reach.host}/{workspace.name} was changed by hand"
    changed = f"{what} ({_counts(moved)})"
    try:
        if not request.yes:
            question = f"{changed}: write it to environment.snapshot.yml first?"
            return world.ask.confirm(question, flag="--snapshot or --no-snapshot")
    except GpuwsError as error:
        if error.code != "prompt-needed":
            raise
    lost = " and goes with its changes" if request.rm_env else ""
    world.report.note(f"{changed}{lost}: `gpuws down --snapshot` would write it into a file")
    return False


def _counts(moved: Drift) -> str:
    counts = (("+", moved.added), ("-", moved.removed), ("~", moved.changed))
    told = [f"{sign}{len(packages)}" for sign, packages in counts if packages]
    return " ".join(told) or f"!{len(moved.overwritten)}"
