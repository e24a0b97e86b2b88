"""`gpuws env export`: a workspace's environment as an environment.yml again."""

from __future__ import annotations

from gpuws.environments.installed import installed
from gpuws.errors import GpuwsError
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.drift import drift
from gpuws.plan.export import declared_from, exported
from gpuws.plan.model import Workspace
from gpuws.plan.requests import Exported, ExportRequest


def run(request: ExportRequest, world: World) -> Exported:
    """Two round trips; nothing of the environment is run."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        found = installed(host, root=seen.root, prefix=workspace.get("prefix"))
    if found.then is None:
        raise GpuwsError(
            "environment-not-found",
            f"what {workspace.get('prefix')} was built from is not recorded",
            hint="only environments that gpuws built can be exported; `conda env export` on the "
            "host knows others",
            stage="environment",
        )
    if not found.yml:
        raise GpuwsError(
            "environment-not-found",
            f"what {workspace.get('prefix')} was declared as lies with whoever built it",
            hint="the environment file and the lock of the project say it",
            stage="environment",
        )
    declared = declared_from(
        found.yml,
        found.pip,
        found.variables,
        without=_brought(workspace),
    )
    by_hand = drift(found.then, found.now).added
    if by_hand:
        names = ", ".join(each.name for each in by_hand[:10])
        world.report.note(f"installed by hand and written down here: {names}")
    text = exported(workspace.name, declared, found.now, by_hand, request.how)
    return Exported(f"{reach.host}/{workspace.name}", request.how, text)


def _brought(workspace: Workspace) -> list[str]:
    """What gpuws put beside the list of the file."""
    environment = workspace.raw.get("environment")
    added = environment.get("added") if isinstance(environment, dict) else None
    return [each for each in added if isinstance(each, str)] if isinstance(added, list) else []
