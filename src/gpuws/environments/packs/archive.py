"""The archive: its manifest first, the environment, and last a checksum of everything before it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpuws.environments.packs.gz import Gunzip, Gzip
from gpuws.environments.packs.members import (
    BLOCK,
    Content,
    Member,
    Sink,
    Source,
    Stream,
    Writer,
    leads_outside,
    members,
)
from gpuws.errors import GpuwsError
from gpuws.plan.packs import BUILD_FILES, Manifest, invalid, manifest_from, text_of

ENVIRONMENT = "env/"
BUILD = "build/"
_MANIFEST = "gpuws-pack.json"
_SUM = "gpuws-pack.sum"
_LARGEST_MANIFEST = 64 << 10  # bytes
_LARGEST_LIST = 16 << 20  # bytes of one file below build/
_LEVEL = 4  # of gzip: half the time of the default, a few percent more bytes
_MOST_BEHIND = 4  # blocks; tar fills its last one up with zeros
_MORE = 64 << 20  # bytes that an environment may grow while it is packed, beside a tenth of it


@dataclass(frozen=True)
class Packed:
    """An environment on its way: names begin with env/, or with build/ for what it was made of."""

    manifest: Manifest
    members: Stream


def write(packed: Packed, sink: Sink) -> None:
    """As a .tar.gz."""
    gzip = Gzip(sink, _LEVEL)
    tar, total = Writer(gzip), _Sum()
    text = text_of(packed.manifest).encode()
    _put(tar, total, Member(_MANIFEST, "file", size=len(text)), (text,))
    for member, content in packed.members:
        _put(tar, total, member, content)
    digest = total.text
    tar.add(Member(_SUM, "file", size=len(digest)), (digest,))
    tar.close()
    gzip.close()


def _put(tar: Writer, total: _Sum, member: Member, content: Content) -> None:
    total.begin(member)
    tar.add(member, total.passing(content))


def read(source: Source, where: str) -> Packed:
    """The manifest is read at once, the rest as it is asked for.

    Raises pack-invalid, at the end of the members too: nothing of it may be used before that.
    """
    bytes_ = Gunzip(source, where)
    stream, total = members(bytes_, where), _Sum()
    first = next(stream, None)
    if first is None or first[0].name != _MANIFEST or first[0].size > _LARGEST_MANIFEST:
        raise invalid(where, f"it does not begin with {_MANIFEST}")
    total.begin(first[0])
    text = b"".join(total.passing(first[1])).decode("utf-8", "replace")
    manifest = manifest_from(text, where)
    return Packed(manifest, _to_the_end(_summed(stream, total, manifest, where), bytes_, where))


def _to_the_end(stream: Stream, rest: Gunzip, where: str) -> Stream:
    """gzip's own checksum comes behind the last member."""
    yield from stream
    for _ in range(_MOST_BEHIND):
        if not rest.read(BLOCK):
            return
    raise invalid(where, "more comes behind its end")


def _summed(stream: Stream, total: _Sum, manifest: Manifest, where: str) -> Stream:
    for member, content in stream:
        if member.name == _SUM:
            right = member.size == len(total.text) and b"".join(content) == total.text
            if not right or next(stream, None) is not None:
                raise invalid(where, "its content is not what its checksum says")
            return
        _check(member, manifest, where)
        total.begin(member)
        total.check_size(manifest, where)
        yield member, total.passing(content)
    raise invalid(where, "it was cut short")


def _check(member: Member, manifest: Manifest, where: str) -> None:
    name = member.name
    if name.startswith(ENVIRONMENT):
        if why := why_not(member, manifest):
            raise invalid(where, why)
        return
    known = BUILD_FILES.fullmatch(name.removeprefix(BUILD)) and member.kind == "file"
    if not name.startswith(BUILD) or not known or member.size > _LARGEST_LIST:
        raise invalid(where, f"{name!r} does not belong there")


def why_not(member: Member, manifest: Manifest) -> str:
    """Why a member of the environment cannot travel; "" where it can."""
    name = member.name.removeprefix(ENVIRONMENT)
    if re.match(r"\.gpuws-(complete|leaving)(/|$)", name):
        return f"{name!r} is gpuws's own mark of a finished environment"
    if member.kind == "same" and not member.target.startswith(ENVIRONMENT):
        return f"{name!r} is another name of {member.target!r}, which is outside"
    link = member.kind == "link"
    if link and leads_outside(name, member.target, manifest.prefixes, manifest.base):
        return f"the link {name!r} leads to {member.target!r}, outside of the environment"
    return ""


def unmovable(why: str) -> GpuwsError:
    return GpuwsError(
        "not-relocatable",
        f"the environment cannot be packed: {why}",
        hint="take that out of it, or let the other host build its own: gpuws env lock HOST",
        stage="environment",
    )


class _Sum:
    """sha256 over what a member is called and what it holds, one after the other."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._bytes = self._members = 0

    def begin(self, member: Member) -> None:
        self._members += 1
        self._bytes += member.size
        self._sum.update(member.line)

    def passing(self, content: Content) -> Iterator[bytes]:
        for block in content:
            self._sum.update(block)
            yield block

    def check_size(self, manifest: Manifest, where: str) -> None:
        """An archive may not hold much more than the room that was looked for."""
        most = manifest.bytes + manifest.bytes // 10 + _MORE
        if self._bytes > most or self._members > 2 * manifest.entries + 1000:
            raise invalid(where, "it holds more than its manifest says")

    @property
    def text(self) -> bytes:
        return self._sum.hexdigest().encode() + b"\n"
