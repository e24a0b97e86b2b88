"""known_hosts files: what ``ssh-keygen -F`` found, and a reader of our own where it is missing."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FOUND = re.compile(rb"# Host .* found: line (\d+)")
_LARGEST = 32 << 20
CERTIFIED = "-cert-v01@openssh.com"  # ends the type of a key that comes with a certificate


@dataclass(frozen=True)
class Entry:
    """One line that speaks of the host. ``marker`` is "", "@cert-authority" or "@revoked"."""

    file: Path
    line: int
    marker: str
    kind: str
    key: str  # base64

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    def is_key(self, blob: bytes) -> bool:
        return self.key == base64.b64encode(blob).decode()


def parse_found(text: bytes, file: Path) -> list[Entry]:
    """The output of ``ssh-keygen -F``: a comment with the line number, then the line."""
    entries = []
    number = 0
    for line in text.split(b"\n"):
        found = _FOUND.match(line)
        if found:
            number = int(found[1])
        elif number:
            entries += _entry(line, file, number)
            number = 0
    return entries


def find(name: str, files: Iterable[Path]) -> list[Entry]:
    """Our own reader: hashed names, wildcards, negation, markers; broken lines are passed over."""
    entries = []
    for file in files:
        try:
            text = file.read_bytes()[:_LARGEST]
        except OSError:
            continue
        for number, line in enumerate(text.split(b"\n"), 1):
            if _speaks_of(line, name):
                entries += _entry(line, file, number)
    return entries


def kind_of(blob: bytes) -> str:
    """The key type that a public key blob begins with."""
    if len(blob) < 4:
        return ""
    (length,) = struct.unpack(">I", blob[:4])
    return blob[4 : 4 + length].decode("ascii", "replace")


def _entry(line: bytes, file: Path, number: int) -> list[Entry]:
    marker, words = _fields(line)
    if len(words) < 3 or marker not in ("", "@cert-authority", "@revoked"):
        return []
    try:
        blob = base64.b64decode(words[2].rstrip(), validate=True)
    except binascii.Error:
        return []
    kind = words[1].decode("latin-1")
    if kind_of(blob) != kind:
        return []
    return [Entry(file, number, marker, kind, base64.b64encode(blob).decode())]


def _fields(line: bytes) -> tuple[str, list[bytes]]:
    """(marker or "", the words behind it). As in ssh, only blanks and tabs part words, and a marker
    ends at the first blank, or at a tab where the line has no blank."""
    text = line.lstrip(b" \t")
    marker = b""
    if text.startswith(b"@"):
        marker, _, text = text.partition(b" " if b" " in text else b"\t")
    words = [word for word in text.replace(b"\t", b" ").split(b" ") if word]
    return marker.decode("latin-1"), words


def _speaks_of(line: bytes, name: str) -> bool:
    _, words = _fields(line)
    if not words or words[0].startswith(b"#"):
        return False
    hosts = words[0].decode("latin-1")
    if hosts.startswith("|1|"):
        return _is_hash_of(hosts, name)
    patterns = hosts.lower().split(",")
    if any(each.startswith("!") and _matches(each[1:], name) for each in patterns):
        return False
    return any(_matches(each, name) for each in patterns)


def _matches(pattern: str, name: str) -> bool:
    """Only * and ? are special; the brackets of [host]:port are letters."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == name.lower()
    return fnmatch.fnmatchcase(name.lower(), pattern.replace("[", "[[]"))


def _is_hash_of(hosts: str, name: str) -> bool:
    _, _, salt, digest = [*hosts.split("|"), "", ""][:4]
    try:
        key, expected = base64.b64decode(salt), base64.b64decode(digest)
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(key, name.encode(), hashlib.sha1).digest(), expected)
