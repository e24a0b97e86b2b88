"""One value of the host's answer → a checked value, or None. What is absurd is never believed."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

Fields = dict[str, list[str]]

MAX_TEXT = 4096  # characters of one plain value; PATH_MAX of Linux
MAX_JSON = 64 << 10  # characters of one workspace.json
MAX_DEPTH = 16
MAX_LINES = 1000  # values taken of one key

_SOCKET_LIMIT = 107  # bytes; the kernel's
_INTEGER = re.compile(r"-?[0-9]{1,15}")


def lines(fields: Fields, key: str) -> list[str]:
    """The values of a key, in the host's order, without those that are too long."""
    return [value for value in fields.get(key, [])[:MAX_LINES] if len(value) <= MAX_TEXT]


def one(fields: Fields, key: str) -> str:
    """The first value of a key, "" where there is none."""
    found = fields.get(key, [])
    return found[0] if found and len(found[0]) <= MAX_TEXT else ""


def text(value: object, limit: int = 255) -> str | None:
    """Printable text: no ESC, C1, bidi or zero-width characters, nothing undecodable."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        return None
    return value if value.isprintable() and "\ufffd" not in value else None


def clean(value: str, limit: int = 200) -> str:
    """Somebody else's message for people to read: unprintable characters become "?"."""
    return "".join(c if c.isprintable() else "?" for c in value[:limit]).strip()


def path(value: object) -> str | None:
    """An absolute path without "." and ".." parts."""
    plain = text(value, MAX_TEXT)
    if plain is None or not plain.startswith("/") or plain.startswith("//"):
        return None
    return plain if str(PurePosixPath(plain)) == plain and ".." not in plain.split("/") else None


def integer(said: str, low: int = 0, high: int = 1 << 48) -> int | None:
    """A decimal number within bounds."""
    return whole(int(said), low, high) if _INTEGER.fullmatch(said) else None


def whole(value: object, low: int = 0, high: int = 1 << 48) -> int | None:
    """A whole number of a JSON document within bounds; true and "1" are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None


def port(value: object) -> int | None:
    """A port an ordinary user can listen on. Nothing of gpuws listens below 1024."""
    return whole(value, 1024, 65535)


def socket(value: object) -> str | None:
    found = path(value)
    return found if found and len(found.encode()) <= _SOCKET_LIMIT else None


def yes(fields: Fields, key: str) -> bool:
    return one(fields, key) == "yes"


def json_object(value: str) -> dict[str, object]:
    """A JSON object of bounded size and depth; {} for anything else."""
    if len(value) > MAX_JSON or _depth(value) > MAX_DEPTH:
        return {}
    try:
        found = json.loads(value, parse_constant=_refuse)
    except ValueError:  # also a number of more than 4300 digits
        return {}
    return found if isinstance(found, dict) else {}


def _refuse(word: str) -> object:
    raise ValueError(word)


def _depth(value: str) -> int:
    """Brackets opened and not yet closed, at most; those inside strings count too."""
    depth = deepest = 0
    for letter in value:
        depth += (letter in "{[") - (letter in "}]")
        deepest = max(deepest, depth)
    return deepest
