"""`gpuws env diff`: what was declared, what was built, and what is installed now."""

from __future__ import annotations

from dataclasses import asdict

from gpuws.environments.installed import Installed, installed
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.drift import Drift, counted, drift
from gpuws.plan.model import Workspace
from gpuws.plan.naming import environment_hash
from gpuws.plan.requests import Differences, DiffRequest


def run(request: DiffRequest, world: World) -> Differences:
    """Two round trips; nothing of the environment is run."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        prefix = workspace.get("prefix")
        found = installed(host, root=seen.root, prefix=prefix)
    moved = drift(found.then, found.now) if found.then is not None else Drift()
    direct, pulled = counted(found.now, found.asked)
    return Differences(
        workspace=f"{reach.host}/{workspace.name}",
        prefix=prefix,
        hash=_hash(prefix, seen.root, reach.entry.shared_root or seen.root),
        file=_file(request, workspace, found),
        recorded=found.then is not None,
        asked_for=direct,
        pulled_in=pulled,
        added=tuple(asdict(each) for each in moved.added),
        removed=tuple(asdict(each) for each in moved.removed),
        changed=tuple((asdict(old), asdict(new)) for old, new in moved.changed),
        overwritten=moved.overwritten,
        editable=moved.editable,
    )


def _hash(prefix: str, *roots: str) -> str:
    """Of an environment that gpuws made, "" for another."""
    folder, _, digest = prefix.rpartition("/")
    return digest if folder in {f"{root}/envs" for root in roots} else ""


def _file(request: DiffRequest, workspace: Workspace, found: Installed) -> str:
    """Whether the file here declares what the workspace has: same, changed, or none."""
    if request.spec is None:
        return "none"
    jupyter = bool(workspace.raw.get("jupyter", True))
    entry = request.reach.entry
    digest = environment_hash(
        request.spec,
        extra=missing_jupyter(request.spec) if jupyter else (),
        machine=found.machine,
        channels=entry.channels,
        pip_index=entry.pip_index,
    )
    return "same" if workspace.get("prefix").endswith(f"/envs/{digest}") else "changed"
