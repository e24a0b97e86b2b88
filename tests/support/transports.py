"""The two engines that make a connection, for modules whose tests must hold with both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.transport import PARAMIKO, TRANSPORTS

_now = [PARAMIKO]


@pytest.fixture(scope="module", params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Import it, and each test of the module runs with either engine."""
    _now[0] = request.param
    yield _now[0]
    _now[0] = PARAMIKO


def profile_of(alias: str, config: Path) -> Profile:
    """For the engine whose turn it is."""
    return replace(resolve(alias, ssh_config=config), transport=_now[0])
