"""Text files that the user wrote: read safely, and messages that point into them."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.plan.model import Place

MAX_BYTES = 1 << 20
ENVIRONMENT = "environment-file-invalid"
HOSTS = "hosts-file-invalid"

# What YAML, TOML and pip all count as the end of a line or refuse: one reading of "line 7".
_LINE_END = re.compile("[\n\x85\u2028\u2029]")
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufeff\ufffe\uffff]"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=/t/)[^/\s]+(?=/)")
_SHOWN_COLUMNS = 100


@dataclass(frozen=True)
class Source:
    """A file's text and how to complain about a place in it. Lines and columns count from 1."""

    shown: str  # the path as the user wrote it
    text: str
    code: str = ENVIRONMENT

    def at(self, line: int) -> str:
        return f"{self.shown}:{line}"

    def places(self, section: str, listed: Iterable[tuple[str, int]]) -> tuple[Place, ...]:
        """Of what a section lists, each with the number of its line."""
        return tuple((section, written, self.at(line)) for written, line in listed)

    def error(
        self, line: int, column: int, message: str, hint: str = "", *, hide: bool = False
    ) -> GpuwsError:
        """The error with ``file:line:column`` in front; its detail is the line and a caret.

        ``column`` 0 means the whole line. ``hide``: the line may hold a secret, do not show it.
        """
        place = f"{self.shown}:{line}:{column}" if column else self.at(line)
        detail = "" if hide else _pointed(self.line(line), column)
        return GpuwsError(self.code, f"{place}: {message}", hint=hint, detail=detail)

    def line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    @cached_property
    def lines(self) -> list[str]:
        return _LINE_END.split(self.text)

    def place(self, offset: int) -> tuple[int, int]:
        """(line, column) of a character of the text."""
        before = _LINE_END.split(self.text[:offset])
        return len(before), len(before[-1]) + 1


def control_character(text: str) -> re.Match[str] | None:
    """The first character that has no business in a setting: control, bidirectional, surrogate."""
    return _CONTROL.search(text)


def quoted(text: str) -> str:
    """``text`` for a message: quoted, short, nothing that acts on a terminal."""
    text = _covered(text)
    short = text if len(text) <= 60 else text[:57] + "..."
    return repr(short) if short.isprintable() else ascii(short)


def _pointed(line: str, column: int) -> str:
    """The line with a caret below ``column``, both cut to what fits."""
    line = _covered(line)
    skipped = max(0, column - _SHOWN_COLUMNS * 3 // 4)
    shown = "".join(_visible(c) for c in line[skipped : skipped + _SHOWN_COLUMNS])
    if not column or not shown.strip():
        return shown.rstrip()
    width = sum(_columns(c) for c in line[skipped : column - 1])
    return f"{shown.rstrip()}\n{' ' * width}^"


def _covered(text: str) -> str:
    """Logins and tokens inside URLs as stars, one for each character so that carets still fit."""
    return _CREDENTIALS.sub(lambda found: "*" * len(found.group()), text)


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    return "?" if _CONTROL.match(character) else character


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


# --- reading ---------------------------------------------------------------------------------


def read_source(path: Path, code: str = ENVIRONMENT, limit: int = MAX_BYTES) -> Source:
    return Source(_shown(path), read_text(path, code, limit), code)


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else ascii(str(path))


def read_text(path: Path, code: str = ENVIRONMENT, limit: int = MAX_BYTES) -> str:
    """The text of a regular UTF-8 file of at most ``limit`` bytes: line ends are newlines, no BOM.

    Raises GpuwsError with ``code`` (a file that is not there: environment-file-missing where the
    code is that of environment files). Never waits on a FIFO or a device.
    """
    shown = _shown(path)
    try:
        data = _read(path, shown, code, limit)
    except OSError as error:
        raise _unreadable(shown, error, code) from error
    except ValueError as error:  # a NUL in the path
        raise GpuwsError(code, f"{quoted(shown)} cannot be the path of a file") from error
    text = _decoded(data, shown, code)
    found = _CONTROL.search(text)
    if found:
        raise _bad_character(Source(shown, text, code), found)
    return text


def _read(path: Path, shown: str, code: str, limit: int) -> bytes:
    # Asked before opening, because opening some devices already does something; and again of what
    # was opened, because the path may lead elsewhere by then.
    _must_be_regular(path.stat(), shown, code)
    flags = os.O_RDONLY
    for extra in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, extra, 0)
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        _must_be_regular(found, shown, code)
        data = _at_most(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        size = max(found.st_size, len(data))
        most = f"{limit >> 20} MiB ({limit:,} bytes)"
        raise GpuwsError(code, f"{shown} has {size:,} bytes; {most} is the most")
    return data


def _at_most(descriptor: int, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit and (part := os.read(descriptor, limit - len(data))):
        data += part
    return bytes(data)


def _must_be_regular(found: os.stat_result, shown: str, code: str) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(found.st_mode), "no regular file")
    raise GpuwsError(code, f"{shown} is {kind}; a regular file is needed")


def _unreadable(shown: str, error: OSError, code: str) -> GpuwsError:
    if isinstance(error, FileNotFoundError):
        missing = "environment-file-missing" if code == ENVIRONMENT else code
        return GpuwsError(missing, f"there is no file {shown}", hint="check the path")
    if error.errno == errno.ELOOP:
        return GpuwsError(code, f"{shown} is a link that leads to itself")
    return GpuwsError(code, f"{shown} cannot be read: {error.strerror or type(error).__name__}")


# --- bytes to text ---------------------------------------------------------------------------

_AS_UTF8 = "save it as UTF-8"
_OTHER_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def _decoded(data: bytes, shown: str, code: str) -> str:
    encoding = next((name for mark, name in _OTHER_ENCODINGS if data.startswith(mark)), "")
    if encoding or _alternates_with_nul(data):
        raise GpuwsError(
            code, f"{shown}:1: the file is {encoding or 'UTF-16'}, not UTF-8", hint=_AS_UTF8
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error.start, shown, code) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _alternates_with_nul(data: bytes) -> bool:
    """UTF-16 without its mark: plain text has a NUL in every other byte."""
    start = data[:64]
    halves = (start[0::2], start[1::2])
    return len(start) > 3 and any(half and not any(half) for half in halves) and any(start)


def _not_utf8(data: bytes, offset: int, shown: str, code: str) -> GpuwsError:
    before = data[:offset].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    begin = before.rfind(b"\n") + 1
    rest = re.split(rb"[\r\n]", data[offset:], maxsplit=1)[0]
    text = (before[begin:] + rest).decode("utf-8", "replace")
    column = len(before[begin:].decode("utf-8", "replace")) + 1
    place = f"{shown}:{before.count(bytes([10])) + 1}:{column}"
    message = f"{place}: byte 0x{data[offset]:02x} is not UTF-8 (Latin-1 or Windows-1252 perhaps)"
    return GpuwsError(code, message, hint=_AS_UTF8, detail=_pointed(text, column))


def _bad_character(source: Source, found: re.Match[str]) -> GpuwsError:
    line, column = source.place(found.start())
    character = ord(found.group())
    name = "a NUL character" if character == 0 else f"the control character U+{character:04X}"
    return source.error(line, column, f"{name} has no place in a text file", "remove it")
