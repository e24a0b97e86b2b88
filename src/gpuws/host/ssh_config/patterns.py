"""The patterns of ssh_config: ``*`` and ``?``, and lists of them with ``!``."""

from __future__ import annotations

import re
from functools import lru_cache

from gpuws.host.ssh_config.lexer import lower


def matches(text: str, pattern: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*+|\?)", pattern)
    meaning = {"*": ".*", "?": "."}
    return re.compile(
        "".join(meaning.get(piece[:1]) or re.escape(piece) for piece in pieces if piece), re.DOTALL
    )


def listed(text: str, patterns: str, *, caseless: bool = False) -> bool:
    """Whether one of the patterns, split at commas, matches, and none with ``!`` does.

    ``caseless`` makes the patterns lower case; the text must be that already.
    """
    found = False
    for pattern in (lower(patterns) if caseless else patterns).split(","):
        if matches(text, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found
