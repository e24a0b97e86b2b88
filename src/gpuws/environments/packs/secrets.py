"""Credentials in the addresses that an environment remembers do not travel. Pure."""

from __future__ import annotations

import json
import re

from gpuws.plan.naming import public

_KEEPS_ADDRESSES = re.compile(
    r"env/(conda-meta/(?!state$)[^/]+|\.?condarc|pip\.(conf|ini)|\.mambarc|uv\.toml|"
    r".*\.dist-info/direct_url\.json)|build/.*"
)
_LARGEST = 64 << 20  # bytes


def may_hold_secrets(name: str, size: int) -> bool:
    return size <= _LARGEST and _KEEPS_ADDRESSES.fullmatch(name) is not None


def without_secrets(data: bytes) -> bytes:
    """Users, passwords and tokens of addresses are left out; what has none stays as it is."""
    text = data.decode("utf-8", "surrogateescape")
    if "://" not in text:
        return data
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return "".join(map(_line, text.splitlines(keepends=True))).encode(
            "utf-8", "surrogateescape"
        )
    clean = _clean(said)
    return data if clean == said else (json.dumps(clean, indent=2) + "\n").encode()


def _clean(said: object) -> object:
    """By value, since a path such as share/t/x/y in a list of files is no address."""
    if isinstance(said, dict):
        return {key: _clean(value) for key, value in said.items()}
    if isinstance(said, list):
        return [_clean(each) for each in said]
    return public(said) if isinstance(said, str) and "://" in said else said


def _line(line: str) -> str:
    kept = line.lstrip()
    indent, end = line[: len(line) - len(kept)], kept[len(kept.rstrip()) :]
    return indent + public(kept) + end if "://" in line else line
