"""The names that a person gave to hosts in ssh_config: for completion and "did you mean"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpuws.host.here import Here, here
from gpuws.host.ssh_config.include import DEEPEST, included, text_of
from gpuws.host.ssh_config.lexer import Line, line_of, numbered
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood


def known_aliases(config: Path | None = None) -> tuple[str, ...]:
    """Concrete Host names, Include followed, in the order of the files. Never raises."""
    return tuple(alias_places(config))


def alias_places(config: Path | None = None) -> dict[str, str]:
    """The same, each with the "file:line" that names it first. ``config`` is ``-F``."""
    now = here()
    files = [(config, True)] if config else [(now.config, True), (now.system / "ssh_config", False)]
    found: dict[str, str] = {}
    for file, own in files:
        for name, place in _names(file, now, own, ()):
            found.setdefault(name, place)
    return found


def nearest(name: str, config: Path | None = None) -> tuple[str, ...]:
    """At most three aliases that resemble ``name``."""
    import difflib

    return tuple(difflib.get_close_matches(name, known_aliases(config), n=3, cutoff=0.6))


def _names(file: Path, now: Here, own: bool, around: tuple[Path, ...]) -> Iterator[tuple[str, str]]:
    if len(around) > DEEPEST or file in around:
        return
    for line in _lines(file):
        if line.keyword == "host":
            place = f"{file}:{line.number}"
            yield from ((name, place) for name in line.words if name and not set(name) & set("*?!"))
        elif line.keyword == "include":
            for inner in _included(line, now, own):
                yield from _names(inner, now, own, (*around, file))


def _lines(file: Path) -> Iterator[Line]:
    """Those that can be read; a mistake is told by who uses the file."""
    try:
        text = text_of(file)
    except (BadLine, NotUnderstood):
        return
    for number, raw in numbered(text):
        try:
            line = line_of(number, raw)
        except BadLine:
            continue
        if line is not None:
            yield line


def _included(line: Line, now: Here, own: bool) -> Iterator[Path]:
    for pattern in line.words:
        try:
            yield from included(pattern, now, own=own)
        except (BadLine, NotUnderstood):
            continue
