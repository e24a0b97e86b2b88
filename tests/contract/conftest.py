"""What the tests of a module use to run with each engine that makes a connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.far_end import short_folder
from tests.support.transports import ENGINES, by


@pytest.fixture(scope="module", params=ENGINES)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Mark a module with it, and each of its tests runs with every engine."""
    with short_folder() as folder, by(request.param, folder):
        yield request.param
