"""Which keeper a view talks to."""

from __future__ import annotations

from gpuws.keeper.client import keeper_key
from gpuws.plan.model import HostEntry
from gpuws.plan.requests import Reach


def test_one_name_in_two_projects_that_mean_two_hosts_has_two_keepers() -> None:
    first = Reach("lab", HostEntry("lab", ssh="me@a"), of_project=True)
    second = Reach("lab", HostEntry("lab", ssh="me@b"), of_project=True)
    own = Reach("lab", HostEntry("lab", ssh="me@a"))
    assert len({keeper_key(first), keeper_key(second), keeper_key(own)}) == 3
    assert keeper_key(own) == keeper_key(Reach("lab", HostEntry("lab")))
