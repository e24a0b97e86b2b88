"""The shells that a host may have as its /bin/sh."""

from __future__ import annotations

import shutil

import pytest

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command of each, one after the other."""
    words = SHELLS[request.param]
    found = shutil.which(words[0])
    if not found:
        pytest.skip(f"needs {words[0]}")
    return (found, *words[1:])
