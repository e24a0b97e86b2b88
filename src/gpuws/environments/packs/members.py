"""The files of an environment as a stream of tar members, read without trust and written plainly.

An archive may be anybody's: nothing of a member is believed before it was checked here, and what
goes on to a host is a header of ours, never one that was read.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

from gpuws.plan.packs import invalid

BLOCK = 256 << 10  # bytes
_LONGEST_HEADER = 64 << 10  # bytes of a name that is too long for the header itself
_DAMAGE = (tarfile.TarError, ValueError, OverflowError)  # tarfile lets the latter two through
_BASE = re.compile(r"/(?:[^/\0]+/)*python[0-9.]*")
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "same",
}
_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "same": tarfile.LNKTYPE,
}


@dataclass(frozen=True)
class Member:
    """``kind``: file, folder, link (to ``target``) or same (one more name of the file ``target``).
    ``mode``: the permission bits alone."""

    name: str
    kind: str
    mode: int = 0o600
    mtime: int = 0  # seconds since the epoch
    size: int = 0  # bytes
    target: str = ""

    @property
    def line(self) -> bytes:
        """What a checksum covers beside the content."""
        what = [self.name, self.kind, self.mode, self.mtime, self.size, self.target]
        return json.dumps(what).encode() + b"\n"


Content = Iterable[bytes]
Stream = Iterator[tuple[Member, Content]]
"""Members with their bytes. Each content is read to its end before the next member."""


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


# --- reading --------------------------------------------------------------------------------------


class _Header(tarfile.TarInfo):
    """tarfile reads a long name into memory before anybody can look at its size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> _Header:
        made = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        plain = made.type in _KINDS
        if not plain and made.size > _LONGEST_HEADER:
            raise tarfile.HeaderError("a header of absurd size")
        return made


def members(source: Source, where: str) -> Stream:
    """Raises pack-invalid for what could leave the folder that it is unpacked in."""
    try:
        with tarfile.open(
            fileobj=_Strict(source),  # type: ignore[call-overload]
            mode="r|",
            tarinfo=_Header,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            yield from _checked(tar, where)
    except _DAMAGE as error:
        raise invalid(where, str(error)) from error


def _checked(tar: tarfile.TarFile, where: str) -> Stream:
    inside = Inside(where)
    for info in tar:
        member = _member(info, where)
        if member.name:
            inside.check(member)
            content = tar.extractfile(info) if member.kind == "file" else None
            yield member, _blocks(content, member.size, where)
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every one


class _Strict:
    """The archive's bytes for tarfile, which takes fewer than it asked for as the end."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (block := self._source.read(size)):
            parts.append(block)
            size -= len(block)
        return b"".join(parts)


def _blocks(content: IO[bytes] | None, size: int, where: str) -> Iterator[bytes]:
    while content is not None and size > 0:
        try:
            block = content.read(min(BLOCK, size))
        except _DAMAGE as error:
            raise invalid(where, str(error)) from error
        if not block:
            raise invalid(where, "it ends in the middle of a file")
        size -= len(block)
        yield block


def _member(info: tarfile.TarInfo, where: str) -> Member:
    kind = _KINDS.get(info.type)
    if kind is None or info.issparse() or info.size < 0:
        raise invalid(where, f"{info.name!r} is neither a file, a folder nor a link")
    name = _plain(info.name, where)
    if not name and kind != "folder":
        raise invalid(where, f"{info.name!r} is no name of a file")
    target = info.linkname if kind in ("link", "same") else ""
    if kind == "same":
        target = _plain(target, where)
    size = info.size if kind == "file" else 0
    return Member(name, kind, info.mode & 0o777, max(0, int(info.mtime)), size, target)


def _plain(name: str, where: str) -> str:
    """Relative, and without any part that leads up. "" for the folder itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise invalid(where, f"{name!r} leads out of the environment")
    return "/".join(parts)


class Inside:
    """What has come so far: no member goes through a link, or over one."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._links: set[str] = set()

    def check(self, member: Member) -> None:
        names = [member.name, *([member.target] if member.kind == "same" else [])]
        for name in names:
            parts = name.split("/")
            ways = ("/".join(parts[: count + 1]) for count in range(len(parts)))
            if any(way in self._links for way in ways):
                raise invalid(self._where, f"{name!r} goes through a link")
        if member.kind == "link":
            self._links.add(member.name)


def leads_outside(name: str, target: str, prefixes: tuple[str, ...], base: str) -> bool:
    """Whether a link of the environment leads out of it. ``base``: where bin/python may lead.

    ".." only at the beginning: behind a name that is a link itself it would mean another folder.
    """
    parts = target.split("/")
    if target.startswith("/"):
        own = any(target == each or target.startswith(each + "/") for each in prefixes)
        return not (own and ".." not in parts) and not (
            target == base and _BASE.fullmatch(target) and re.fullmatch(r"bin/python[0-9.]*", name)
        )
    plain = [part for part in parts if part not in ("", ".")]
    ups = 0
    while ups < len(plain) and plain[ups] == "..":
        ups += 1
    return not plain or ".." in plain[ups:] or ups > name.count("/")


# --- writing --------------------------------------------------------------------------------------


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Writer:
    """Members into ``sink``; ``close`` writes the end of the archive."""

    def __init__(self, sink: Sink) -> None:
        self._tar = tarfile.open(  # noqa: SIM115 - closed by close
            fileobj=sink,  # type: ignore[call-overload]
            mode="w|",
            format=tarfile.GNU_FORMAT,  # long names that busybox reads, too
            encoding="utf-8",
            errors="surrogateescape",
        )

    def add(self, member: Member, content: Content = ()) -> None:
        info = tarfile.TarInfo(member.name)
        info.type = _TYPES[member.kind]
        info.mode, info.mtime, info.size = member.mode, member.mtime, member.size
        info.linkname = member.target
        self._tar.addfile(info, _Reader(content))
        self._tar.members = []

    def close(self) -> None:
        self._tar.close()


class _Reader:
    """Blocks as the file that tarfile reads from: never more than it asks for, "" at the end."""

    def __init__(self, blocks: Content) -> None:
        self._blocks = iter(blocks)
        self._block = memoryview(b"")

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            if not self._block:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._block = memoryview(block)
            parts.append(self._block[:size])
            self._block = self._block[size:]
            size -= len(parts[-1])
        return b"".join(parts)
