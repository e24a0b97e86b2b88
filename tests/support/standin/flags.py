"""A strict command line: an unknown flag is refused, as CLI11 and argparse do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


class Usage(Exception):
    """A command line that the real tool would refuse."""


@dataclass
class Given:
    """What was given: ``flags`` have no value, ``values`` are in order, ``words`` are the rest."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def has(self, flag: str) -> bool:
        return flag in self.flags

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def last(self, name: str, default: str = "") -> str:
        return self.all(name)[-1] if self.all(name) else default


class Flags:
    """Names as the help prints them: ``-p,--prefix`` is one flag, called by its last name."""

    def __init__(self, switches: str, valued: str) -> None:
        self._switches = _by_name(switches.split())
        self._valued = _by_name(valued.split())

    def __or__(self, other: Flags) -> Flags:
        both = Flags("", "")
        both._switches = {**self._switches, **other._switches}
        both._valued = {**self._valued, **other._valued}
        return both

    def parse(self, argv: Iterable[str], *, stop_at_word: bool = False) -> Given:
        """Refuses what it does not know. ``stop_at_word`` leaves a command's own flags alone."""
        given, rest = Given(), list(argv)
        while rest:
            arg = rest.pop(0)
            if arg == "--" or (stop_at_word and not arg.startswith("-")):
                given.words += rest if arg == "--" else [arg, *rest]
                break
            if not arg.startswith("-") or arg == "-":
                given.words.append(arg)
            else:
                self._flag(arg, rest, given)
        return given

    def _flag(self, arg: str, rest: list[str], given: Given) -> None:
        name, equals, value = arg.partition("=")
        if not arg.startswith("--") and len(arg) > 2:  # -yq, -p/path
            if arg[:2] in self._valued:
                name, equals, value = arg[:2], "=", arg[2:].removeprefix("=")
            else:
                rest.insert(0, "-" + arg[2:])
                name, equals = arg[:2], ""
        if name in self._switches and not equals:
            given.flags.add(self._switches[name])
        elif name in self._valued:
            if not equals:
                if not rest:
                    raise Usage(f"{name}: 1 required TEXT missing")
                value = rest.pop(0)
            given.values.setdefault(self._valued[name], []).append(value)
        else:
            raise Usage(f"The following argument was not expected: {arg}")


def _by_name(names: list[str]) -> dict[str, str]:
    found = {}
    for group in names:
        every = group.split(",")
        canonical = every[-1].lstrip("-")
        found.update(dict.fromkeys(every, canonical))
    return found
