"""How `gpuws status` is told to a person."""

from __future__ import annotations

import pytest

from gpuws import fleet
from gpuws.plan.results import HostStatus

WORKSPACE = {"name": "demo", "state": "running", "since": 0, "environment": {}, "tunnel": None}


@pytest.mark.parametrize(
    ("idle", "words"),
    [
        (None, ""),
        (0, ""),
        (299, ""),
        (300, "no activity for 5 min"),
        (7199, "no activity for 119 min"),
        (7200, "no activity for 2 h"),
    ],
)
def test_a_workspace_that_nobody_used_for_some_minutes_says_so(
    idle: int | None, words: str
) -> None:
    host = HostStatus("gpubox", True, workspaces=({**WORKSPACE, "idle_s": idle},))
    told = "\n".join(fleet.lines([host]))
    assert (words in told) if words else ("no activity" not in told)
