"""The names a person gave to hosts in ssh_config: for completion and "did you mean"."""

from __future__ import annotations

import difflib
import glob
import shlex
from collections.abc import Iterator
from pathlib import Path

from gpuws.host.tokens import home, tilde

_DEEPEST = 16
_LARGEST = 1 << 20


def known_aliases(config: Path | None = None) -> tuple[str, ...]:
    """Concrete Host names, Include followed, in the order of the file. Never raises."""
    start = config or Path(home(), ".ssh", "config")
    return tuple(dict.fromkeys(_names(start, 0, set())))


def nearest(name: str, config: Path | None = None) -> tuple[str, ...]:
    """At most three aliases that resemble ``name``."""
    return tuple(difflib.get_close_matches(name, known_aliases(config), n=3, cutoff=0.6))


def _names(file: Path, depth: int, seen: set[Path]) -> Iterator[str]:
    if depth > _DEEPEST or file in seen:
        return
    seen.add(file)
    for keyword, values in _lines(file):
        if keyword == "host":
            yield from (name for name in values if not set(name) & set("*?!"))
        elif keyword == "include":
            for included in _included(values):
                yield from _names(included, depth + 1, seen)


def _included(patterns: list[str]) -> Iterator[Path]:
    for pattern in patterns:
        path = tilde(pattern)
        full = path if Path(path).is_absolute() else str(Path(home(), ".ssh", path))
        yield from (Path(match) for match in sorted(glob.glob(full)))  # noqa: PTH207 (absolute)


def _lines(file: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        keyword, _, rest = line.strip().replace("=", " ", 1).replace("\t", " ").partition(" ")
        if keyword.lower() in ("host", "include"):
            try:
                yield keyword.lower(), shlex.split(rest, comments=True)
            except ValueError:
                continue
