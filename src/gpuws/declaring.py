"""The environment files that a command means: which, what they declare, and their lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, HostEntry
from gpuws.plan.ports import Ask

if TYPE_CHECKING:
    from gpuws.plan.lock import Lock

Confirm = Callable[[EnvironmentSpec], bool]
"""Whether an export from another system is to be used without its builds."""


def environment_files(files: Sequence[Path], entry: HostEntry) -> tuple[Path, ...]:
    """Those of -f, else those of the host's entry, else the one of this folder, if it has one."""
    from gpuws.config.environment import find_environment

    if files or entry.environment:
        return tuple(Path(each).expanduser() for each in files or entry.environment)
    found = find_environment(Path.cwd())
    return (found,) if found else ()


def declared(
    files: tuple[Path, ...], project: Path, confirm: Confirm | None = None
) -> EnvironmentSpec | None:
    """Of all of them. ``project``: the folder that local code is placed in by its path from there;
    ``confirm``: asked of exports from another system, which it lets through."""
    from gpuws.config.environment import load_environment
    from gpuws.config.merging import merged

    specs = [load_environment(path, project) for path in files]
    if confirm:
        specs = [_without_builds(each, confirm) if each.foreign else each for each in specs]
    return merged(specs) if specs else None


def locks_of(
    files: tuple[Path, ...], spec: EnvironmentSpec, entry: HostEntry, jupyter: bool, wanted: str
) -> tuple[Lock, ...]:
    """The lock beside the files, by platform. Raises lock-invalid, lock-stale, lock-missing."""
    from gpuws.config.lock_file import find_locks
    from gpuws.plan.lock import usable

    if wanted == "ignore":
        return ()
    return usable(find_locks(files), spec, entry.channels, jupyter, wanted == "require")


def confirmation(person: Ask, *, yes: bool) -> Confirm:
    """The question, put to a person unless ``yes`` has answered it."""

    def confirm(spec: EnvironmentSpec) -> bool:
        question = f"{spec.source} is an export from {spec.foreign}; use it without builds?"
        return yes or person.confirm(question, flag="--yes")

    return confirm


def _without_builds(spec: EnvironmentSpec, confirm: Confirm) -> EnvironmentSpec:
    from gpuws.config.environment import without_builds

    if not confirm(spec):
        raise GpuwsError(
            "foreign-export",
            f"{spec.source} is an export from {spec.foreign}: its builds do not exist for Linux",
            hint="`conda env export --from-history` there writes a file that travels; "
            "or answer yes to use it without builds",
        )
    return without_builds(spec)
