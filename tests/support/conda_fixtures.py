"""Fixtures over the generated channels; a conftest imports them by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import conda_jupyter
from tests.support.conda_channel import Channel


@pytest.fixture(scope="session")
def conda_cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where generated channels are kept: pytest's own cache folder, else this run's."""
    cache = getattr(request.config, "cache", None)
    if cache is not None:
        folder = Path(str(cache.mkdir("conda-channels")))
        if os.access(folder, os.W_OK):
            return folder
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "conda-channels"


@pytest.fixture(scope="session")
def conda_channel(conda_cache: Path) -> Channel:
    """python, pip and small packages. Shared: never write to it."""
    return conda_jupyter.channel(conda_cache)


@pytest.fixture(scope="session")
def conda_jupyter_channel(conda_cache: Path) -> Channel:
    """The same plus the real JupyterLab. Shared: never write to it."""
    return conda_jupyter.jupyter_channel(conda_cache)
