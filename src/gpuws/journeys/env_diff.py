"""`gpuws env diff`: what was declared, what was built, and what is installed now."""

from __future__ import annotations

from dataclasses import asdict, replace

from gpuws.environments.installed import Installed, installed
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.drift import Drift, counted, drift
from gpuws.plan.local import placed
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
        hash=prefix.rpartition("/")[2] if prefix.startswith(f"{seen.root}/envs/") else "",
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
    return "same" if workspace.get("prefix").endswith(f"/envs/{digest}") else "changed"
