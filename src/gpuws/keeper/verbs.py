"""The verbs as a table: request type and journey. A journey is imported when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gpuws.journeys.world import World
from gpuws.plan.codec import decode, encode
from gpuws.plan.requests import (
    AutoForwardRequest,
    DiffRequest,
    DoctorRequest,
    DownRequest,
    EndForwardRequest,
    EnvironmentsRequest,
    ExportRequest,
    ForwardRequest,
    MeetRequest,
    PackRequest,
    PlatformRequest,
    RemoveEnvironmentsRequest,
    Request,
    RollbackRequest,
    StatusRequest,
    UnpackRequest,
    UpRequest,
    WorkspaceRequest,
)

REQUESTS: dict[str, type[Request]] = {
    "up": UpRequest,
    "attach": WorkspaceRequest,
    "url": WorkspaceRequest,
    "logs": WorkspaceRequest,
    "exec": WorkspaceRequest,
    "shell": WorkspaceRequest,
    "forward": ForwardRequest,
    "auto_forward": AutoForwardRequest,
    "end_forward": EndForwardRequest,
    "status": StatusRequest,
    "doctor": DoctorRequest,
    "meet": MeetRequest,
    "down": DownRequest,
    "env_list": EnvironmentsRequest,
    "env_diff": DiffRequest,
    "env_export": ExportRequest,
    "env_remove": RemoveEnvironmentsRequest,
    "env_rollback": RollbackRequest,
    "env_platform": PlatformRequest,
    "env_pack": PackRequest,
    "env_unpack": UnpackRequest,
}

KEEPS = frozenset({"up", "attach", "forward", "auto_forward", "env_rollback"})
"""Verbs that leave a forward open: they always run in a keeper."""

JOINS = frozenset({"forward", "auto_forward"})
"""Those that add to what a view has open: what they open ends with that view."""

OPENED = frozenset({"local_port", "forwards"})
"""Keys of an answer that says what was opened; `up --dry-run` has none of them."""

_MODULES = {"exec": "exec_"}


def perform(verb: str, request: Request, world: World) -> dict[str, Any]:
    """Run a journey; its answer as JSON data."""
    journey = import_module(f"gpuws.journeys.{_MODULES.get(verb, verb)}")
    answer = encode(journey.run(request, world))
    result: dict[str, Any] = answer
    return result


def request_of(verb: str, data: object) -> Request:
    return decode(REQUESTS[verb], data)
