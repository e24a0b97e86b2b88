"""`gpuws url`: the one verb that gives the URL with its token."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.journeys.way import find, no_jupyter, url_of
from gpuws.journeys.world import World
from gpuws.plan.requests import WorkspaceRequest
from gpuws.plan.results import Url


def run(request: WorkspaceRequest, world: World) -> Url:
    """The local URL of an open forward. Raises not-running when this laptop has none."""
    host_name = request.reach.host
    with world.host(request.reach) as host:
        seen, workspace = find(host, request.reach, request.name)
    if workspace.raw.get("jupyter") is False:
        raise no_jupyter(host_name, workspace.name)
    port = world.forwards.port(workspace.name)
    token = seen.tokens.get(workspace.name)
    if port is None or token is None:
        raise GpuwsError(
            "not-running",
            f"this laptop has no open tunnel to {host_name}/{workspace.name}",
            hint=f"`gpuws attach {host_name}/{workspace.name}` opens one",
        )
    return Url(f"{url_of(workspace, port)}?token={token.reveal()}")
