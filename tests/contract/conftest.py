"""What the tests of a module use to run with each engine that makes a connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gpuws.plan.transport import TRANSPORTS
from tests.support.transports import by


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Mark a module with it, and each of its tests runs with either engine."""
    with by(request.param):
        yield request.param
