"""The step that exec and shell share: the workspace whose settings are there to be entered."""

from __future__ import annotations

from gpuws.engines.session import Look
from gpuws.errors import GpuwsError
from gpuws.journeys.way import find
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import WorkspaceRequest


def find_to_enter(host: Host, request: WorkspaceRequest) -> tuple[Look, Workspace]:
    """Also one whose Jupyter has ended: the settings stay until `down`, as the token does.

    Raises what ``find`` raises, and not-running.
    """
    reach = request.reach
    seen, workspace = find(host, reach, request.name)
    if workspace.name not in seen.tokens:
        raise GpuwsError(
            "not-running",
            f"{reach.host}/{workspace.name} is not running",
            hint=f"`gpuws up {reach.host} --name {workspace.name}` starts it",
        )
    return seen, workspace
