"""Readers of plain values: what ssh refuses, they refuse; what ssh prints, they return."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from gpuws.host.ssh_config.lexer import Line, lower
from gpuws.host.ssh_config.refusing import BadLine

Reader = Callable[[Line], tuple[str, ...]]
"""The values of a line, in ssh's spelling. None of them: as if the line were not there."""

LARGEST = 2**31 - 1
_MOST_FILES = 32
_INTEGER = re.compile(r"[ \t]*[+-]?\d+")
_SPAN = re.compile(r"[ \t]*\+?(\d+)([smhdwSMHDW]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def one(line: Line) -> str:
    """The only word, which is not empty."""
    if not line.words or not line.words[0]:
        raise BadLine(f"{line.keyword} has no argument")
    no_more(line, 1)
    return line.words[0]


def no_more(line: Line, most: int) -> None:
    if len(line.words) > most:
        raise BadLine(f"{line.keyword} has extra arguments: {' '.join(line.words[most:])[:60]}")


def word(line: Line) -> tuple[str, ...]:
    return (one(line),)


def anything(line: Line) -> tuple[str, ...]:
    return line.words


def choice(**meaning: str) -> Reader:
    """Words in any case, "_" for "-", and how ssh prints them."""
    known = {key.rstrip("_").replace("_", "-"): value for key, value in meaning.items()}

    def read(line: Line) -> tuple[str, ...]:
        found = known.get(lower(one(line)))
        if found is None:
            raise BadLine(f"{line.keyword} takes {', '.join(known)}, not {line.words[0][:40]!r}")
        return (found,)

    return read


BOTH = {"yes": "true", "no": "false", "true": "true", "false": "false"}
flag = choice(yes="yes", no="no", true="yes", false="no")


def switch(**more: str) -> Reader:
    """yes and no, which ssh prints as true and false here, and other words."""
    return choice(**BOTH, **more)


def names(line: Line) -> tuple[str, ...]:
    """Several words, none of them empty; "none" stands alone."""
    if "" in line.words:
        raise BadLine(f"{line.keyword} has an empty argument")
    if len(line.words) > 1 and "none" in map(lower, line.words):
        raise BadLine(f'{line.keyword}: "none" must stand alone')
    return line.words


def files(line: Line) -> tuple[str, ...]:
    if len(line.words) > _MOST_FILES:
        raise BadLine(f"{line.keyword} takes at most {_MOST_FILES} files")
    return names(line)


def command(line: Line) -> tuple[str, ...]:
    """The rest of the line as it stands, comments and quotes too."""
    return (line.rest.lstrip(" \t\r\n="),)


# --- numbers -------------------------------------------------------------------------------------


def number(line: Line) -> tuple[str, ...]:
    return (str(whole(one(line), LARGEST)),)


def whole(text: str, largest: int) -> int:
    value = int(text) if _INTEGER.fullmatch(text) else -1
    if not 0 <= value <= largest:
        raise BadLine(f"a whole number from 0 to {largest} is needed, not {text[:40]!r}")
    return value


def port(line: Line) -> tuple[str, ...]:
    return (str(port_of(one(line))),)


def port_of(text: str, *, least: int = 1) -> int:
    """A number, or the name of a service."""
    try:
        value = whole(text, 65535)
    except BadLine:
        try:
            value = socket.getservbyname(text, "tcp")
        except (OSError, ValueError):
            value = -1
    if value < least:
        raise BadLine(f"{text[:40]!r} is no port")
    return value


def span(line: Line) -> tuple[str, ...]:
    """Seconds; "none" leaves the keyword unset."""
    text = one(line)
    return () if text == "none" else (str(seconds(text)),)


def seconds(text: str) -> int:
    """90, 1m30s, 2h: in seconds."""
    total = at = 0
    while at < len(text):
        found = _SPAN.match(text, at)
        total += int(found[1]) * _SECONDS[lower(found[2])] if found else 0
        if found is None or total > LARGEST:
            raise BadLine(f"{text[:40]!r} is no time")
        at = found.end()
    return total
