"""Lines of ssh_config into words, by the two lexers that OpenSSH has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gpuws.host.ssh_config.refusing import BadLine

_BLANK = " \t\r\n"
_ESCAPED = "'\"\\"
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class Line:
    """A line that says something. ``words`` have no quotes, ``rest`` is what they came from."""

    number: int  # from 1
    keyword: str  # lower case
    rest: str
    words: tuple[str, ...]


def lower(text: str) -> str:
    """ASCII letters only, as ssh does in any locale."""
    return text.translate(_LOWER)


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its number. Nothing but a newline ends one."""
    return enumerate(text.split("\n"), 1)


def line_of(number: int, raw: str) -> Line | None:
    """None for blank lines and comments. Raises BadLine."""
    text: str | None = raw[:1] + raw[1:].rstrip(_BLANK + "\f")
    keyword, text = delimited(text)
    if keyword == "":
        keyword, text = delimited(text)
    if not keyword or keyword.startswith("#"):
        return None
    rest = (text or "").lstrip(_BLANK)
    if not rest:
        raise BadLine(f"no argument after {keyword}")
    return Line(number, lower(keyword), rest, words(rest))


def delimited(text: str | None) -> tuple[str | None, str | None]:
    """(first word, what is behind it), by the lexer of keywords and of Match.

    A word ends at a blank, at one ``=`` or behind a quoted part. Without a word: (None, None);
    with nothing behind it, not even a blank: (word, None).
    """
    if text is None:
        return None, None
    end = next((at for at, letter in enumerate(text) if letter in _BLANK + '"='), None)
    if end is None:
        return text, None
    if text[end] == '"':
        return _quoted(text[:end], text[end + 1 :])
    rest = text[end + 1 :].lstrip(_BLANK)
    if text[end] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANK)
    return text[:end], rest


def _quoted(before: str, behind: str) -> tuple[str | None, str | None]:
    inside, quote, rest = behind.partition('"')
    return (before + inside, rest.lstrip(_BLANK)) if quote else (None, None)


def words(text: str) -> tuple[str, ...]:
    """By the lexer of values: both quotes, four escapes, a comment where a word could begin.

    Raises BadLine for a quote that is not closed.
    """
    found = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif text[at] == "#":
            break
        else:
            word, at = _word(text, at)
            found.append(word)
    return tuple(found)


def _word(text: str, at: int) -> tuple[str, int]:
    """The word that begins at ``at``, and where it ends."""
    letters: list[str] = []
    quote = ""
    while at < len(text):
        letter = text[at]
        following = text[at + 1 : at + 2]
        if letter == "\\" and following and following in (_ESCAPED if quote else _ESCAPED + " "):
            letters.append(following)
            at += 1
        elif not quote and letter in " \t":
            break
        elif not quote and letter in "'\"":
            quote = letter
        elif letter == quote:
            quote = ""
        else:
            letters.append(letter)
        at += 1
    if quote:
        raise BadLine("a quote is not closed")
    return "".join(letters), at
