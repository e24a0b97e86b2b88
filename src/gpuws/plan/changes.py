"""Who changed an environment since it was built, and with which commands. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpuws.plan import answers
from gpuws.plan.drift import Package, packages_from
from gpuws.plan.naming import public


@dataclass(frozen=True)
class Touch:
    """An entry of the environment's books that came or changed since. ``when``: seconds since the
    epoch by the host's clock, 0 where it does not tell; ``owner``: "" the same way. ``asked``: the
    package was named by whoever installed it; of a conda package nothing tells."""

    package: Package
    owner: str = ""
    when: int = 0
    asked: bool = False


@dataclass(frozen=True)
class Command:
    """A line of conda's own history. ``date`` as that tool wrote it, without a time zone."""

    date: str
    line: str


def touches_from(lines: Iterable[str]) -> tuple[Touch, ...]:
    """The answers ``touched`` of changes.sh. What is no such line is dropped."""
    return tuple(found for line in lines if (found := _touch(line)) is not None)


def _touch(line: str) -> Touch | None:
    words = line.split(" ")
    if len(words) != 5:
        return None
    when, owner, asked, kind, name = words
    found = packages_from([f"{kind} {name}" + (" ?" if kind == "python" else "")])
    seconds = answers.integer(when)
    if not found or seconds is None:
        return None
    known = "" if owner == "?" else answers.text(owner, 40) or ""
    return Touch(found[0], known, seconds, asked == "asked")


def commands_from(lines: Iterable[str]) -> tuple[Command, ...]:
    """The answers ``command``, without credentials: a channel's address may hold some. mamba notes
    one when it begins and when it ends: that is told once."""
    pairs = (line.partition("\t") for line in lines)
    found = [
        Command(answers.clean(date, 40), answers.clean(public(said), 400))
        for date, _, said in pairs
        if said
    ]
    ended = [*(each.line for each in found[1:]), ""]
    return tuple(each for each, after in zip(found, ended, strict=False) if each.line != after)
