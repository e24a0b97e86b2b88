"""Files for the tests of what users write."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.environment import load_environment
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec


def write(folder: Path, text: str | bytes, name: str = "environment.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes, name: str = "environment.yml") -> EnvironmentSpec:
    return load_environment(write(folder, text, name))


def refusal(folder: Path, text: str | bytes, name: str = "environment.yml") -> GpuwsError:
    """The error that the file is refused with."""
    with pytest.raises(GpuwsError) as caught:
        load(folder, text, name)
    return caught.value
