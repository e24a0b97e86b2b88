"""Which of several sources says it: flag > environment variable > project > user > default."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

SOURCES = ("flag", "environment variable", "project file", "user file", "default")


def pick(
    flag: T | None, environ: T | None, project: T | None, user: T | None, default: T
) -> tuple[T, str]:
    """(value, name of the source that won). None is "not said"; ``0``, ``""`` and ``()`` are."""
    for value, source in zip((flag, environ, project, user), SOURCES, strict=False):
        if value is not None:
            return value, source
    return default, SOURCES[-1]
