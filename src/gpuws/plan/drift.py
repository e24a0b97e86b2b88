"""What is installed in an environment against what was built: whoever added what by hand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpuws.plan import answers

_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class Package:
    """``kind``: conda, or python for a distribution; ``by``: what installed that (pip, uv …)."""

    kind: str
    name: str
    version: str
    by: str = ""
    build: str = ""  # of a conda package
    editable: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, plain(self.name)

    @property
    def words(self) -> str:
        if self.kind == "conda":
            return f"{self.name}={self.version}={self.build}"
        how = " (editable)" if self.editable else ""
        return f"{self.name}=={self.version}{how}"


@dataclass(frozen=True)
class Drift:
    """``overwritten``: conda packages whose files another tool replaced, in words."""

    added: tuple[Package, ...] = ()
    removed: tuple[Package, ...] = ()
    changed: tuple[tuple[Package, Package], ...] = ()  # before, after
    overwritten: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.overwritten)


def plain(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return _SEPARATORS.sub("-", name).lower()


def packages_from(lines: Iterable[str]) -> tuple[Package, ...]:
    """The lines of packages.sh, in order. What is no such line is dropped."""
    return tuple(found for line in lines if (found := _package(line)) is not None)


def _package(line: str) -> Package | None:
    if answers.text(line, 400) is None:
        return None
    kind, _, rest = line.partition(" ")
    words = rest.split(" ")
    name, _, last = words[0].rpartition("-")
    if kind == "conda" and len(words) == 1:
        name, _, version = name.rpartition("-")
        return Package(kind, name, version, "conda", last) if name and version else None
    if kind == "python" and len(words) in (2, 3) and name:
        return Package(kind, name, last, words[1], editable=words[2:] == ["editable"])
    return None


def own(found: Sequence[Package]) -> dict[tuple[str, str], Package]:
    """By kind and name, without the distributions that conda packages brought: those count once."""
    listed = {each.key: each for each in found}
    return {key: each for key, each in listed.items() if not _brought(each, listed)}


def _brought(each: Package, listed: dict[tuple[str, str], Package]) -> bool:
    if each.kind == "conda":
        return False
    twin = listed.get(("conda", plain(each.name)))
    return each.by == "conda" or (twin is not None and twin.version == each.version)


def drift(then: Sequence[Package], now: Sequence[Package]) -> Drift:
    """From what was recorded when it was built to what is there."""
    before, after = own(then), own(now)
    both = [(before[key], after[key]) for key in before if key in after]
    overwritten = [
        f"{twin.name}={twin.version} of conda by {each.name}=={each.version} of {each.by}"
        for key, each in after.items()
        if key[0] == "python" and key not in before and (twin := after.get(("conda", key[1])))
    ]
    return Drift(
        added=tuple(each for key, each in after.items() if key not in before),
        removed=tuple(each for key, each in before.items() if key not in after),
        changed=tuple(
            pair
            for pair in both
            if (pair[0].version, pair[0].build) != (pair[1].version, pair[1].build)
        ),
        overwritten=tuple(overwritten),
        editable=tuple(each.name for each in after.values() if each.editable),
    )


def counted(now: Sequence[Package], asked: Iterable[str]) -> tuple[int, int]:
    """How many of the packages were asked for, and how many came with them."""
    wanted = {plain(each) for each in asked}
    there = own(now)
    direct = sum(key[1] in wanted for key in there)
    return direct, len(there) - direct
