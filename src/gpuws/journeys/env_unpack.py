"""`gpuws env unpack`: an archive of the laptop becomes an environment of a host."""

from __future__ import annotations

from pathlib import Path

from gpuws.environments.packs.archive import read
from gpuws.environments.packs.files import old_file
from gpuws.environments.packs.pack import packed_here
from gpuws.journeys.delivering import deliver
from gpuws.journeys.world import World
from gpuws.plan.requests import UnpackRequest
from gpuws.plan.results import EnvironmentUnpacked


def run(request: UnpackRequest, world: World) -> EnvironmentUnpacked:
    """The archive's own words are read before the host is reached."""
    if request.prefix:
        packed = packed_here(request.prefix)
        with world.host(request.reach) as host:
            return deliver(packed, host, request.reach, world)
    with old_file(Path(request.file)) as file:
        packed = read(file, request.file)
        with world.host(request.reach) as host:
            return deliver(packed, host, request.reach, world)
