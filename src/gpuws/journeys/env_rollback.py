"""`gpuws env rollback`: a workspace goes back to an environment that it had before."""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments.inventory import inventory
from gpuws.journeys import up
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.inventory import before
from gpuws.plan.model import Workspace
from gpuws.plan.requests import RollbackRequest, UpRequest
from gpuws.plan.results import Plan, Ready


def run(request: RollbackRequest, world: World) -> Ready | Plan:
    """An environment is never changed, so the old one is as it was: `up` in it, with a restart.
    `up --restart` with the environment file goes forward again."""
    with world.host(request.reach) as host:
        seen, workspace = find(host, request.reach, request.name)
        shared = request.reach.entry.shared_root or ""
        found = inventory(host, root=seen.root, workspaces=seen.workspaces, shared=shared)
    return up.run(_as_it_is(request, workspace, before(workspace, found, request.word)), world)


def _as_it_is(request: RollbackRequest, workspace: Workspace, prefix: str) -> UpRequest:
    """The workspace with its own settings, in another environment."""
    owner = workspace.raw.get("owner")
    folder = owner.get("folder") if isinstance(owner, dict) else None
    gpus, git = workspace.raw.get("gpus_wanted"), workspace.raw.get("git")
    known = git if isinstance(git, dict) else {}
    return UpRequest(
        reach=request.reach,
        caller=replace(request.caller, folder=str(folder or request.caller.folder)),
        name=workspace.name,
        use_env=prefix,
        dir=workspace.get("dir") or None,
        gpus=gpus if isinstance(gpus, str) else None,
        jupyter=bool(workspace.raw.get("jupyter", True)),
        restart=True,
        here=True,
        yes=request.yes,
        secret_env=request.secret_env,
        missing_env=request.missing_env,
        git_commit=str(known.get("commit") or ""),
        git_dirty=bool(known.get("dirty")),
    )
