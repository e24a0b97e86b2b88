"""Which of a release's files pip would take on a host. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

_OLDEST_GLIBC = 5  # manylinux1 is 2.5
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "linux-ppc64le": "ppc64le"}


def machine_of(platform: str) -> str:
    """x86_64 for conda's linux-64."""
    return _MACHINES[platform]


def tags_of(platform: str, python: str, glibc: str) -> tuple[Tag, ...]:
    """What a CPython of this version can load there, the best first. ``glibc`` as in "2.35"."""
    version = tuple(int(part) for part in python.split(".")[:2])
    names = tuple(_platforms(machine_of(platform), glibc))
    interpreter = f"cp{version[0]}{version[1]}"
    own = cpython_tags(version, platforms=names)
    return (*own, *compatible_tags(version, interpreter, names))


def _platforms(machine: str, glibc: str) -> Iterable[str]:
    yield f"linux_{machine}"
    found = re.match(r"2\.(\d+)", glibc)
    for minor in range(int(found[1]) if found else 17, _OLDEST_GLIBC - 1, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{machine}"


def best(files: Iterable[str], tags: tuple[Tag, ...]) -> str | None:
    """The wheel that pip would take; None where none fits and the source must be built."""
    ranks = {tag: rank for rank, tag in enumerate(tags)}
    found = []
    for file in files:
        try:
            _, _, build, carried = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        fitting = [ranks[tag] for tag in carried if tag in ranks]
        if fitting:
            found.append((min(fitting), tuple(-part for part in build[:1]), file))
    return min(found)[2] if found else None
