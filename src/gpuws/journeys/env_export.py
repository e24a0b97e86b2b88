"""`gpuws env export`: a workspace's environment as an environment.yml again, or a Dockerfile."""

from __future__ import annotations

from gpuws.environments.installed import installed
from gpuws.errors import GpuwsError
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.journeys.written import as_dockerfile, as_yml
from gpuws.plan.drift import drift
from gpuws.plan.requests import ExportRequest
from gpuws.plan.results import Exported


def run(request: ExportRequest, world: World) -> Exported:
    """Two round trips; nothing of the environment is run."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        also = "sources" if request.how == "dockerfile" else ""
        found = installed(host, root=seen.root, prefix=workspace.get("prefix"), also=also)
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
    by_hand = drift(found.then, found.now).added
    if by_hand:
        names = ", ".join(each.name for each in by_hand[:10])
        world.report.note(f"installed by hand and written down here: {names}")
    if request.how == "dockerfile":
        text = as_dockerfile(workspace, found, reach.entry)
    else:
        text = as_yml(workspace, found, by_hand, request.how, entry=reach.entry)
    return Exported(f"{reach.host}/{workspace.name}", request.how, text)
