"""What was found in the files so far, each value with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DEFAULT = "default"
COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Setting:
    """``value`` as ``ssh -G`` prints it, ``place`` as "file:line", DEFAULT or COMMAND_LINE."""

    value: str
    place: str


class Settings:
    """By keyword in lower case. The first value wins where a keyword has one only."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Setting, ...]] = {}
        self._added: set[tuple[str, str, bool]] = set()

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._found

    def keywords(self) -> tuple[str, ...]:
        return tuple(self._found)

    def all(self, keyword: str) -> tuple[Setting, ...]:
        return self._found.get(keyword, ())

    def values(self, keyword: str) -> tuple[str, ...]:
        return tuple(each.value for each in self.all(keyword))

    def one(self, keyword: str, default: str = "") -> str:
        return next(iter(self.values(keyword)), default)

    def place(self, keyword: str) -> str:
        return next((each.place for each in self.all(keyword)), DEFAULT)

    def first(self, keyword: str, values: Iterable[str], place: str) -> None:
        """Only where nothing is set yet. No values: nothing was said."""
        found = tuple(Setting(value, place) for value in values)
        if found and keyword not in self._found:
            self._found[keyword] = found

    def put(self, keyword: str, values: Iterable[str], place: str) -> None:
        """Whatever is set already."""
        self._found[keyword] = tuple(Setting(value, place) for value in values)

    def add(self, keyword: str, values: Iterable[str], place: str, *, own: bool) -> None:
        """Behind those that are there. A value counts once for the user's ``own`` files, and once
        for those of the system."""
        for value in values:
            if (keyword, value, own) not in self._added:
                self._added.add((keyword, value, own))
                self._found[keyword] = (*self.all(keyword), Setting(value, place))

    def replace(self, keyword: str, values: Iterable[str]) -> None:
        """Other values in the same places; without any the keyword is unset."""
        places = [each.place for each in self.all(keyword)]
        last = places[-1] if places else DEFAULT
        found = tuple(
            Setting(value, places[at] if at < len(places) else last)
            for at, value in enumerate(values)
        )
        if found:
            self._found[keyword] = found
        else:
            self._found.pop(keyword, None)
