"""The name of a forward that nobody named."""

from __future__ import annotations

import pytest

from gpuws.journeys.forwarding import free_name
from gpuws.plan.forwards import forward_from
from gpuws.plan.model import HostEntry, NamedForward, Workspace
from gpuws.plan.requests import Reach


@pytest.mark.parametrize(
    ("remembered", "declared", "name"),
    [
        ([], [], "tensorboard"),
        (["tensorboard"], [], "6006"),
        (["6006"], ["tensorboard"], "6006-2"),
        (["6006", "6006-2", "tensorboard"], [], "6006-3"),
    ],
)
def test_a_name_that_leads_elsewhere_is_never_taken_over(
    remembered: list[str], declared: list[str], name: str
) -> None:
    workspace = Workspace("w", "running", forwards=tuple(elsewhere(each) for each in remembered))
    entry = HostEntry("box", forwards=tuple(elsewhere(each) for each in declared))
    assert free_name(forward_from("6006"), Reach("box", entry), workspace).name == name


def elsewhere(name: str) -> NamedForward:
    return forward_from("node7:9999", name)
