"""`gpuws env pack`: a workspace's environment into an archive, or straight to another host."""

from __future__ import annotations

from pathlib import Path

from gpuws.environments.installed import installed
from gpuws.environments.packs.files import check_new, into_file, name_for
from gpuws.environments.packs.pack import packed_there
from gpuws.errors import GpuwsError
from gpuws.journeys.delivering import deliver
from gpuws.journeys.way import find
from gpuws.journeys.world import World
from gpuws.plan.drift import drift
from gpuws.plan.inventory import hash_of
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import PackRequest
from gpuws.plan.results import EnvironmentPacked, EnvironmentUnpacked


def run(request: PackRequest, world: World) -> EnvironmentPacked | EnvironmentUnpacked:
    """Raises environment-not-found for one that gpuws did not build, not-relocatable."""
    reach = request.reach
    with world.host(reach) as host:
        seen, workspace = find(host, reach, request.name)
        digest = _digest(workspace, seen.root, reach.host)
        file = _file(request, workspace, digest)
        world.report.stage("pack", workspace.get("prefix"))
        _tell_drift(host, seen.root, workspace, world)
        packed = packed_there(
            host,
            root=seen.root,
            digest=digest,
            idle=lambda: world.report.line("waiting for the host"),
        )
        if request.to is not None:
            with world.apart(request.to) as other:
                return deliver(packed, other, request.to, world)
        place = f"{reach.host}/{workspace.name}"
        return into_file(packed, file, place, world.report, world.clock)


def _digest(workspace: Workspace, root: str, host: str) -> str:
    prefix = workspace.get("prefix")
    if digest := hash_of(prefix, root):
        return digest
    raise GpuwsError(
        "environment-not-found",
        f"{host}/{workspace.name} runs in {prefix}, which gpuws did not build",
        hint=f"log in there and pack it with conda-pack, or declare it: gpuws up {host} -f FILE",
        stage="environment",
    )


def _file(request: PackRequest, workspace: Workspace, digest: str) -> Path:
    file = Path(request.caller.folder) / (request.file or name_for(workspace.name, digest))
    if request.to is None:
        check_new(file)
    return file


def _tell_drift(host: Host, root: str, workspace: Workspace, world: World) -> None:
    found = installed(host, root=root, prefix=workspace.get("prefix"))
    if found.then is not None and drift(found.then, found.now):
        world.report.warn(
            "it was changed by hand since it was built, and travels as it is: where it is "
            "unpacked, `up` says so; `gpuws env diff` tells the changes"
        )
