"""Environments as they were at `down`, as files of the laptop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_MOST = 1000


def keep(
    snapshots: Iterable[dict[str, Any]], folder: Path, talk: Callable[[str], None]
) -> list[str]:
    """The paths. What cannot be written is talked about in full: it may be gone on the host."""
    written = []
    for each in snapshots:
        try:
            written.append(str(_write(folder, each["text"])))
        except OSError as error:
            why = error.strerror or type(error).__name__
            talk(f"warning: the snapshot of {each['workspace']} cannot be written ({why}):")
            talk(each["text"].rstrip())
    return written


def _write(folder: Path, text: str) -> Path:
    """Into environment.snapshot.yml; where there is one, under the first number that is free."""
    for number in range(1, _MOST):
        path = folder / f"environment.snapshot{'' if number == 1 else f'-{number}'}.yml"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{_MOST} snapshots in {folder}")
