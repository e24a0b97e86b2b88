"""An entry of somebody's hosts.yaml, written or renewed: its lines, and not a character else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gpuws.config.editing import inserted
from gpuws.config.hosts import BadEntry, load_hosts
from gpuws.config.source import HOSTS, read_source
from gpuws.config.writing import replace_file
from gpuws.config.yaml_file import Node, Scalar, Table, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.model import HostEntry

_PLAIN = re.compile(r"[A-Za-z0-9~/][A-Za-z0-9_.,~/@+:-]*")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"")
_FORM = "its form is one that a line more would change"

Values = Mapping[str, "str | int"]


@dataclass(frozen=True)
class Written:
    """``before``: the entry as it was, None for a new one."""

    path: Path
    before: HostEntry | None
    entry: HostEntry


def write_entry(path: Path, name: str, values: Values) -> Written:
    """The entry ``name`` with ``values``; its other keys, the other entries and every comment stay.

    A file that is missing is made, 0600. What it says afterwards is what it said before and this,
    or nothing is changed. Raises hosts-file-invalid.
    """
    made = _make(path)
    try:
        known, problems = load_hosts(path)
        _refuse_broken(name, problems)
        raw = path.read_bytes()
        _write(path, _edited(path, raw.decode("utf-8"), name, values).encode())
    except BaseException:
        if made:
            path.unlink(missing_ok=True)
        raise
    try:
        entry = _read_back(path, known, len(problems), name, values)
    except BaseException:
        _write(path, raw)
        if made:
            path.unlink(missing_ok=True)
        raise
    return Written(path, known.get(name), entry)


def _make(path: Path) -> bool:
    """Whether it was missing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise _by_hand(path, error.strerror or str(error)) from None
    return True


def _refuse_broken(name: str, problems: tuple[GpuwsError, ...]) -> None:
    for problem in problems:
        if isinstance(problem, BadEntry) and problem.host == name:
            raise problem


def _read_back(
    path: Path, before: dict[str, HostEntry], problems: int, name: str, values: Values
) -> HostEntry:
    try:
        after, wrong = load_hosts(path)
    except GpuwsError:
        raise _by_hand(path, _FORM) from None
    found = after.get(name)
    expected = {key: replace(each, where="") for key, each in before.items() if key != name}
    others = {key: replace(each, where="") for key, each in after.items() if key != name}
    if found is None or others != expected or len(wrong) != problems:
        raise _by_hand(path, _FORM)
    was = before.get(name) or replace(found, **dict.fromkeys(values))  # type: ignore[arg-type]
    if replace(was, where=found.where, **values) != found:  # type: ignore[arg-type]
        raise _by_hand(path, _FORM)
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise _by_hand(path, error.strerror or str(error)) from None


def _by_hand(path: Path, why: str) -> GpuwsError:
    hint = "write the entry by hand: hosts.example.yaml shows how"
    return GpuwsError(HOSTS, f"{path} cannot be edited for you: {why}", hint=hint)


# --- where the lines go ---------------------------------------------------------------------------


def _edited(path: Path, text: str, name: str, values: Values) -> str:
    lines = text.splitlines(keepends=True)
    top = load_yaml(read_source(path, HOSTS))
    hosts = top.values.get("hosts") if isinstance(top, Table) else None
    if hosts is None:
        return inserted(lines, len(lines), ["hosts:", *_new(name, values, 2)])
    key, below = hosts
    if not isinstance(below, Table):
        return inserted(lines, key.line, _new(name, values, 2))
    found = below.values.get(name)
    if found is None:
        first = next(iter(below.values.values()))[0].column if below.values else 3
        return inserted(lines, key.line, _new(name, values, first - 1))
    return _renewed(path, lines, *found, values)


def _new(name: str, values: Values, indent: int) -> list[str]:
    space = " " * indent
    keys = [f"{space}  {key}: {_yaml(value)}" for key, value in values.items()]
    return [f"{space}{name}:", *keys]


def _renewed(path: Path, lines: list[str], key: Scalar, entry: Node, values: Values) -> str:
    there = entry.values if isinstance(entry, Table) else {}
    indent = next(iter(there.values()))[0].column - 1 if there else key.column + 1
    lines = list(lines)
    for name, (at, node) in there.items():
        if name in values:
            lines[node.line - 1] = _with_value(path, lines[node.line - 1], at, node, values[name])
    more = [f"{' ' * indent}{k}: {_yaml(v)}" for k, v in values.items() if k not in there]
    return inserted(lines, key.line, more)


def _with_value(path: Path, line: str, key: Scalar, node: Node, value: str | int) -> str:
    """The line with another value; what stands behind it stays."""
    if not isinstance(node, Scalar) or node.line != key.line:
        raise _by_hand(path, f"line {key.line} is not one of `key: value`")
    if node.plain and not node.text:
        head = line[: key.column - 1 + len(key.text)] + ":"
        return f"{head} {_yaml(value)}{line[len(head) :]}"
    before, rest = line[: node.column - 1], line[node.column - 1 :]
    quoted = _QUOTED.match(rest)
    old = node.text if node.plain else quoted[0] if quoted else ""
    if not old or not rest.startswith(old):
        raise _by_hand(path, f"line {key.line} is not one of `key: value`")
    return before + _yaml(value) + rest[len(old) :]


def _yaml(value: str | int) -> str:
    """As people write it where YAML lets them."""
    text = str(value)
    if isinstance(value, int):
        return text
    plain = _PLAIN.fullmatch(text) and not text.endswith(":")
    if plain and Scalar(1, 1, text, True).sort == "text" and text != "~":
        return text
    return "'" + text.replace("'", "''") + "'"
