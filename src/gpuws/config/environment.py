"""environment.yml, requirements.txt or pyproject.toml → EnvironmentSpec."""

from __future__ import annotations

import os
from pathlib import Path

from gpuws.config.conda_yaml import read_conda_yaml
from gpuws.config.foreign import origin, without_builds
from gpuws.config.pyproject import read_pyproject
from gpuws.config.requirements import read_requirements
from gpuws.config.source import ENVIRONMENT, Source, read_source
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec

__all__ = ["find_environment", "load_environment", "without_builds"]

FILE_NAMES = ("environment.yml", "environment.yaml", "requirements.txt", "pyproject.toml")


def find_environment(folder: Path) -> Path | None:
    """The first of FILE_NAMES that is in the folder, whatever it turns out to be."""
    present = (folder / name for name in FILE_NAMES)
    return next((path for path in present if os.path.lexists(path)), None)


def load_environment(path: Path, project: Path | None = None) -> EnvironmentSpec:
    """What the file declares. ``project``: the folder that the workspace is made for, where that
    is another than the file's.

    Raises GpuwsError environment-file-missing or environment-file-invalid with file, line and
    column, and bad-name where its ``name:`` cannot be one.
    """
    suffix = path.suffix.lower()
    if suffix in (".yml", ".yaml"):
        return read_conda_yaml(read_source(path), path, project)
    if suffix == ".toml":
        return read_pyproject(read_source(path))
    if suffix in (".txt", ".in"):
        return _from_requirements(read_source(path), path, project)
    raise GpuwsError(
        ENVIRONMENT,
        f"{path} is no kind of environment file that gpuws knows",
        hint="name an environment.yml, a requirements.txt or a pyproject.toml",
    )


def _from_requirements(source: Source, path: Path, project: Path | None) -> EnvironmentSpec:
    for number, line in enumerate(source.lines, 1):
        if line.strip() == "@EXPLICIT":
            raise source.error(
                number,
                0,
                "an explicit conda list cannot be built yet",
                "`conda env export --from-history` writes a file that can",
            )
    found = read_requirements(source, path, project)
    empty = () if found.lines else (f"{source.shown} names no packages",)
    return EnvironmentSpec(
        source=source.shown,
        kind="pip",
        pip=found.lines,
        pip_files=found.files,
        local=found.local,
        notes=(*found.notes, *empty),
        foreign=origin((), found.lines, ""),
        places=source.places("pip", zip(found.lines, found.numbers, strict=True)),
    )
