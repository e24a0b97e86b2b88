"""An environment's files name the folder that they were installed in: the new name instead. Pure.

Text may grow and shrink. A binary keeps its size: what conda has once put in is a C string with
zeros behind it up to the length of the placeholder that the package was built with, so a longer
name fits where it is no longer than that; anything else is only ever made shorter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

TEXT_UP_TO = 64 << 20  # bytes; a larger file is taken for a binary
_LONGEST = 64 << 10  # bytes of a C string with its zeros
_SHEBANG = 127  # bytes; Linux before 5.1 cuts the rest
_PYTHON = re.compile(rb"#!(/[^\n]*/python[0-9.]*)[ \t]*(-[A-Za-z]+)?[ \t]*\r?\n")


@dataclass(frozen=True)
class Move:
    """From any of the old prefixes to the new one."""

    old: tuple[str, ...]
    new: str

    @property
    def nothing(self) -> bool:
        return self.old == (self.new,)

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """Not in the middle of a longer name: /opt/env is no part of /opt/env2."""
        names = sorted((each.encode() for each in self.old), key=len, reverse=True)
        return re.compile(rb"(?:" + rb"|".join(map(re.escape, names)) + rb")(?![\w-]|\.\w)")

    def path(self, said: str) -> str:
        """A path below an old prefix, below the new one."""
        for each in self.old:
            if said == each or said.startswith(each + "/"):
                return self.new + said[len(each) :]
        return said


def moved_text(data: bytes, move: Move) -> bytes:
    """Every mention; a first line that a kernel could not run any more is written another way."""
    if not data.startswith(b"#!"):
        return _replaced(data, move)
    first, newline, rest = data.partition(b"\n")
    moved = _replaced(first, move)
    if moved == first:
        return first + newline + _replaced(rest, move)
    return _runnable(moved + newline) + _replaced(rest, move)


def _replaced(data: bytes, move: Move) -> bytes:
    new = move.new.encode()
    return move.pattern.sub(lambda _: new, data)


def _runnable(line: bytes) -> bytes:
    """As pip does where a prefix is too long, or has a space in it."""
    found = _PYTHON.fullmatch(line)
    if not found or (len(line) <= _SHEBANG and b" " not in found[1]):
        return line
    option = b" " + found[2] if found[2] else b""
    return b"#!/bin/sh\n'''exec' \"" + found[1] + b'"' + option + b" \"$0\" \"$@\"\n' '''\n"


class Binary:
    """Bytes go through it and keep their number. ``left``: mentions that could not be changed."""

    def __init__(self, move: Move, *, padded: bool) -> None:
        """``padded``: conda has left zeros behind each string for a longer name."""
        self._move = move
        self._pattern = move.pattern
        self._padded = padded
        self.left = 0

    def moved(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Holds no more than a block and one string at a time."""
        kept = b""
        for block in blocks:
            done, kept = self._passed(kept + block, last=False)
            yield done
        yield self._passed(kept, last=True)[0]

    def _passed(self, data: bytes, *, last: bool) -> tuple[bytes, bytes]:
        """What is finished, and what must wait for the bytes behind it."""
        done: list[bytes] = []
        at = 0
        for found in self._pattern.finditer(data):
            if found.start() < at:
                continue
            if not last and len(data) - found.start() < _LONGEST:
                return b"".join((*done, data[at : found.start()])), data[found.start() :]
            done.append(data[at : found.start()])
            string, at = self._string(data, found.start())
            done.append(string)
        tail = len(data) if last else max(at, len(data) - self._overlap)
        return b"".join((*done, data[at:tail])), data[tail:]

    @property
    def _overlap(self) -> int:
        return max(len(each.encode()) for each in self._move.old) + 2

    def _string(self, data: bytes, start: int) -> tuple[bytes, int]:
        """The C string that begins with a mention, changed, and where the next byte is."""
        end = data.find(b"\0", start, start + _LONGEST)
        if end < 0:
            self.left += 1
            return data[start : start + 1], start + 1
        old = data[start:end]
        new = _replaced(old, self._move)
        growth = len(new) - len(old)
        if growth <= 0:
            return new + b"\0" * -growth, end
        if self._padded and data[end + 1 : end + 1 + growth] == b"\0" * growth:
            return new, end + growth
        self.left += 1
        return old, end
