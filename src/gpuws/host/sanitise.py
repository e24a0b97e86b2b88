"""Text from elsewhere made inert: no escape sequence, no hidden direction change survives."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL, C1, soft hyphen, zero-width and direction marks, line separators,
# bidi embeddings and isolates, BOM, interlinear marks, tags, lone surrogates
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def sanitise(text: str | bytes, limit: int = 4000) -> str:
    """``text`` with every control character as a visible escape, at most ``limit`` characters.

    Newlines and tabs stay. CRLF becomes a newline, as servers end their lines so.
    """
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "replace")
    cut = len(text) > limit
    visible = _UNSAFE.sub(_escape, text[:limit].replace("\r\n", "\n"))
    return visible + (" …" if cut else "")


def one_line(text: str | bytes, limit: int = 300) -> str:
    """The same on a single line, for messages."""
    return " ".join(sanitise(text, limit).split())


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
