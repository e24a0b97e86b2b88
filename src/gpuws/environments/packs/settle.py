"""The files of a packed environment as they must be at their new place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gpuws.environments.packs.archive import ENVIRONMENT
from gpuws.environments.packs.members import Content, Member
from gpuws.environments.packs.relocate import Binary, Move, moved_text
from gpuws.errors import GpuwsError
from gpuws.plan import answers

_WHOLE = 8 << 20  # bytes of a file that is looked at in one piece
_LARGEST_TEXT = 64 << 20  # bytes; of what conda says is text, and of conda's records
_PYTHON = re.compile(r"bin/python[0-9.]*")
_HOME = re.compile(rb"(?m)^(home|executable|base-executable)([ \t]*=[ \t]*)(.*)$")


@dataclass(frozen=True)
class Base:
    """The interpreter that a virtual environment is made from, where it was and where it is."""

    old: str = ""
    new: str = ""


class Settling:
    """Members one after the other; conda's records come first and say what is binary.

    ``left``: files that name the old place in a way that cannot be changed.
    """

    def __init__(self, move: Move, base: Base) -> None:
        self._move = move
        self._base = base
        self._modes: dict[str, str] = {}  # file → text or binary, where conda put a prefix in
        self.left: list[str] = []

    def settled(self, member: Member, content: Content) -> tuple[Member, Content]:
        """Raises not-relocatable for a file that conda knows and that has no room for the name."""
        name = member.name.removeprefix(ENVIRONMENT)
        if member.kind == "link":
            return replace(member, target=self._target(name, member.target)), ()
        if member.kind != "file" or name.endswith(".pyc"):  # pythons write those anew
            return member, content
        if not self._in_one_piece(name, member.size):
            return member, self._passing(name, content)
        data = b"".join(content)
        if name.startswith("conda-meta/") and name.endswith(".json"):
            self._learn(data)
        changed = self._changed(name, data)
        # what python compiled of another text of the same length would pass for this one
        newer = changed != data and name.endswith(".py")
        return replace(member, size=len(changed), mtime=member.mtime + newer), (changed,)

    def _target(self, name: str, target: str) -> str:
        if target == self._base.old and _PYTHON.fullmatch(name):
            return self._base.new
        return self._move.path(target)

    def _in_one_piece(self, name: str, size: int) -> bool:
        text = self._modes.get(name) == "text" or name.startswith("conda-meta/")
        return size <= (_LARGEST_TEXT if text else _WHOLE)

    def _changed(self, name: str, data: bytes) -> bytes:
        if name == "pyvenv.cfg":
            data = _HOME.sub(self._home, data)
        if self._modes.get(name) == "text" or b"\0" not in data:
            return moved_text(data, self._move)
        return b"".join(self._passing(name, (data,)))

    def _home(self, found: re.Match[bytes]) -> bytes:
        if self._base.old == self._base.new:
            return found[0]
        new = self._base.new.encode()
        return found[1] + found[2] + (new.rpartition(b"/")[0] if found[1] == b"home" else new)

    def _passing(self, name: str, content: Content) -> Iterator[bytes]:
        known = name in self._modes
        binary = Binary(self._move, padded=known)
        yield from binary.moved(content)
        if binary.left and known:
            raise _too_long(name, self._move.new)
        if binary.left:
            self.left.append(name)

    def _learn(self, record: bytes) -> None:
        try:
            said = _paths(record)
        except (ValueError, RecursionError):
            return
        for path in said:
            if path.get("prefix_placeholder"):
                self._modes[str(path.get("_path"))] = str(path.get("file_mode"))


def _paths(record: bytes) -> list[dict[str, object]]:
    said = json.loads(record)
    data = said.get("paths_data") if isinstance(said, dict) else None
    paths = data.get("paths") if isinstance(data, dict) else None
    return [each for each in paths if isinstance(each, dict)] if isinstance(paths, list) else []


def _too_long(name: str, prefix: str) -> GpuwsError:
    return GpuwsError(
        "not-relocatable",
        f"{answers.clean(name)} has no room for a path as long as {prefix}",
        hint="root: in hosts.yaml names a shorter folder",
        stage="environment",
    )
