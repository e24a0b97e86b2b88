"""One lab for a test: a real sshd with a HOME of its own, and a laptop that reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab, running_lab

__all__ = ["Lab"]


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache of one test run, shared by all workers: JupyterLab is downloaded once."""
    folder = tmp_path_factory.getbasetemp().parent / "uv-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def uv_cache(warm_cache: Path) -> dict[str, str]:
    """The variables that make the host's builds use it."""
    return {"UV_CACHE_DIR": str(warm_cache), "UV_LINK_MODE": "hardlink"}


@pytest.fixture
def lab(short_tmp: Path, uv_cache: dict[str, str]) -> Iterator[Lab]:
    with running_lab(short_tmp, env=uv_cache) as made:
        yield made
