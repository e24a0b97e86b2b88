"""`gpuws env diff`: what was declared, what was built, and what is installed now."""

from __future__ import annotations

from dataclasses import asdict, replace

from gpuws.environments.asked import unasked, unmet
from gpuws.environments.installed import Installed, installed
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.drift import Drift, counted, drift
from gpuws.plan.inventory import brought, hash_of
from gpuws.plan.local import placed
from gpuws.plan.lock import belongs, locked_hash
from gpuws.plan.mixes import mixes
from gpuws.plan.model import Workspace
from gpuws.plan.naming import environment_hash
from gpuws.plan.requests import DiffRequest
from gpuws.plan.results import Differences
from gpuws.plan.virtual import PLATFORMS


def run(request: DiffRequest, world: World) -> Differences:
    """Two round trips; nothing of the environment is run."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        prefix = workspace.get("prefix")
        found = installed(host, root=seen.root, prefix=prefix, also="changes")
    moved = drift(found.then, found.now) if found.then is not None else Drift()
    direct, pulled = counted(found.now, found.asked)
    lock = _lock(request, workspace, found)
    return Differences(
        workspace=f"{reach.host}/{workspace.name}",
        prefix=prefix,
        hash=hash_of(prefix, seen.root) or hash_of(prefix, reach.entry.shared_root or ""),
        file="same" if lock == "same" else _file(request, workspace, found),
        lock=lock,
        recorded=found.then is not None,
        asked_for=direct,
        pulled_in=pulled,
        added=tuple(asdict(each) for each in moved.added),
        removed=tuple(asdict(each) for each in moved.removed),
        changed=tuple((asdict(old), asdict(new)) for old, new in moved.changed),
        overwritten=moved.overwritten,
        editable=moved.editable,
        mixes=mixes(found.now, found.bounds),
        touched=tuple(asdict(each) for each in found.touched),
        commands=tuple(asdict(each) for each in found.commands),
        **_against_file(request, workspace, found),
    )


def _against_file(
    request: DiffRequest, workspace: Workspace, found: Installed
) -> dict[str, tuple[str, ...]]:
    if request.spec is None:
        return {}
    return {
        "unmet": unmet(request.spec, found.now, python=found.python),
        "unasked": unasked(request.spec, found.asked, brought(workspace)),
    }


def _file(request: DiffRequest, workspace: Workspace, found: Installed) -> str:
    """Whether the file here declares what the workspace has: same, changed, or none."""
    if request.spec is None:
        return "none"
    jupyter = bool(workspace.raw.get("jupyter", True))
    entry = request.reach.entry
    code = placed(request.spec, workspace.name, workspace.get("dir"))
    digest = environment_hash(
        replace(request.spec, local=code),
        extra=missing_jupyter(request.spec) if jupyter else (),
        machine=found.machine,
        channels=entry.channels,
        pip_index=entry.pip_index,
    )
    named = found.declared or workspace.get("prefix").rpartition("/envs/")[2]
    return "same" if named == digest else "changed"


def _lock(request: DiffRequest, workspace: Workspace, found: Installed) -> str:
    """What the lock beside the file is to the environment that is there."""
    platform = PLATFORMS.get(("Linux", found.machine))
    lock = next((each for each in request.locks if each.platform == platform), None)
    if request.spec is None or lock is None:
        return "none"
    jupyter = bool(workspace.raw.get("jupyter", True))
    channels = request.reach.entry.channels
    if lock.declared and not belongs(lock, request.spec, channels, jupyter=jupyter):
        return "stale"
    named = workspace.get("prefix").rpartition("/")[2]
    code = placed(request.spec, workspace.name, workspace.get("dir"))
    here = locked_hash(lock, request.spec.variables, code)
    return "same" if named == here else "changed"
