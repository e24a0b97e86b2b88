"""Archives of packages that nothing needs any more, on a host and on the laptop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpuws.environments.order import FRAGMENTS
from gpuws.host.script import fields, script
from gpuws.plan import answers
from gpuws.plan.ports import Host

_PACKAGE = "gpuws.environments"
UNUSED = 30 * 86_400
"""Seconds without use: the laptop does not know which locks there are."""


@dataclass(frozen=True)
class Spare:
    """What could go, or what went; ``place``: host or laptop."""

    place: str
    count: int = 0
    kb: int = 0


def on_host(host: Host, *, root: str, leaving: Sequence[str] = (), remove: bool = False) -> Spare:
    """Archives that no environment was built from; one round trip. ``leaving``: hashes of those
    that are about to go. Safe to repeat, and to cut."""
    program = script(_PACKAGE, *FRAGMENTS, "users.sh", "spare.sh")
    how = "remove" if remove else "look"
    found = fields(host.run(program, root, how, *leaving, timeout=300.0), "environment")
    count, kb = (answers.integer(answers.one(found, key)) or 0 for key in ("count", "kb"))
    return Spare("host", count, kb)


def on_laptop(folder: Path, now: float, *, remove: bool = False) -> Spare:
    """``now``: seconds since the epoch. A file that cannot be removed does not count."""
    gone = [size for path, size in _unused(folder, now) if not remove or _removed(path)]
    return Spare("laptop", len(gone), sum(gone) // 1024)


def _unused(folder: Path, now: float) -> Iterator[tuple[Path, int]]:
    if folder.is_symlink():
        return
    for path in sorted(folder.glob("*/*/*")):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if path.is_file() and not path.is_symlink() and now - found.st_mtime > UNUSED:
                yield path, found.st_size


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    for folder in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # others are in it
            folder.rmdir()
    return True
