"""./gpuws.yaml and ./hosts.yaml of a project: what they set, and what of it needs a person's yes.

A repository that somebody cloned is untrusted: it may choose its environment file, cards, name, a
folder below its own and forwards to ports of the host. Whatever says where to log in, runs
something or moves data is only wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gpuws.config.host_values import READERS, listed, one_line, remote_folder
from gpuws.config.hosts import EntryReader, Hosts, Settings
from gpuws.config.source import Source, read_source
from gpuws.config.yaml_file import Items, Node, Scalar, Table, describe, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.model import HostEntry
from gpuws.plan.naming import check_name

INVALID = "project-file-invalid"
RESERVED = ("services", "idle")
_FREE = ("gpus", "name", "check", *RESERVED)
_OF_HOSTS_YAML = ("ssh", "port", "identity_file", "proxy_jump", "known_hosts", "local_port")


@dataclass(frozen=True)
class Wanted:
    """A setting that the file may not make without a yes."""

    where: str  # file:line
    key: str
    value: str  # JSON, as it would count: what an alias of YAML stands for is written out

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.value}"


@dataclass(frozen=True)
class ProjectFile:
    """``gpuws.yaml``: settings for whichever host is named."""

    path: Path
    text: str
    settings: Settings = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # key → file:line
    wanted: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectHosts:
    """``hosts.yaml`` of a project: entries of its own, and what each of them wants."""

    path: Path
    text: str
    entries: dict[str, HostEntry] = field(default_factory=dict)
    wanted: dict[str, tuple[Wanted, ...]] = field(default_factory=dict)
    problems: tuple[GpuwsError, ...] = ()
    notes: tuple[str, ...] = ()


def load_project(path: Path) -> ProjectFile:
    """Raises GpuwsError project-file-invalid with file, line and column."""
    source = read_source(path, INVALID)
    top = _top(source)
    reader = EntryReader(source, {**READERS, "name": _name, "dir": _folder}, RESERVED)
    settings: Settings = {}
    for key, node in top.values.values():
        if key.text in _OF_HOSTS_YAML:
            raise source.error(
                key.line, key.column, f"{key.text}: is of one host", "it belongs in hosts.yaml"
            )
        reader.read(key, node, settings)
    if reader.problems:
        raise reader.problems[0]
    places = {key.text: source.at(key.line) for key, _ in top.values.values()}
    wanted = tuple(_wanted(source, top))
    return ProjectFile(path, source.text, settings, places, wanted, tuple(reader.notes))


def load_project_hosts(path: Path) -> ProjectHosts:
    """Raises GpuwsError only when the file as a whole cannot be read."""
    source = read_source(path, INVALID)
    top = _top(source)
    hosts = Hosts(source, EntryReader(source, {**READERS, "dir": _folder}, RESERVED))
    entries, problems = hosts.load(top)
    common = tuple(_wanted(source, _table(top, "defaults")))
    below = _table(top, "hosts")
    wanted = {name: (*common, *_wanted(source, _table(below, name))) for name in entries}
    return ProjectHosts(path, source.text, entries, wanted, problems, tuple(hosts.reader.notes))


def _top(source: Source) -> Table:
    top = load_yaml(source)
    if isinstance(top, Scalar) and top.sort == "nothing":
        return Table(1, 1, {})
    if not isinstance(top, Table):
        raise source.error(top.line, top.column, f"the file holds {describe(top)}, not keys")
    return top


def _table(table: Table, name: str) -> Table:
    node = table.values[name][1] if name in table.values else None
    return node if isinstance(node, Table) else Table(1, 1, {})


# --- what needs a yes ---------------------------------------------------------------------------


def _wanted(source: Source, table: Table) -> Iterator[Wanted]:
    for key, node in table.values.values():
        nothing = isinstance(node, Scalar) and node.sort == "nothing"
        if not nothing and not _is_free(key.text, node):
            yield Wanted(source.at(key.line), key.text, json.dumps(_plain(node)))


def _is_free(key: str, node: Node) -> bool:
    if key in _FREE:
        return True
    if key == "forwards" and isinstance(node, Table):
        return all(_is_own_port(value) for _, value in node.values.values())
    files = listed(node) if key == "environment" else (node,)
    below = all(isinstance(each, Scalar) and _is_below(each.text) for each in files)
    return key in ("environment", "dir") and below


def _is_own_port(node: Node) -> bool:
    """A port of the host itself. A socket (of a container service, say) or another machine is
    somebody else's door, which a project must not open to every program of the laptop."""
    return isinstance(node, Scalar) and re.fullmatch(r"([0-9]+:)?[0-9]+", node.text) is not None


def _is_below(text: str) -> bool:
    """A path that stays in the folder that it begins in."""
    path = PurePosixPath(text.replace("\\", "/"))
    first = path.parts[0] if path.parts else "/"
    return not path.is_absolute() and ".." not in path.parts and not re.match(r"~|.:", first)


def _plain(node: Node) -> object:
    if isinstance(node, Items):
        return [_plain(each) for each in node.values]
    if isinstance(node, Table):
        return {name: _plain(value) for name, (_, value) in node.values.items()}
    return node.text


# --- readers ------------------------------------------------------------------------------------


def _name(node: Node) -> str:
    try:
        return check_name(one_line(node))
    except GpuwsError as error:
        raise ValueError(error.message) from error


def _folder(node: Node) -> str:
    """Below the project's own folder on the host, or, like in hosts.yaml, anywhere."""
    text = one_line(node)
    if not _is_below(text):
        return remote_folder(node)
    if re.search(r"[$`]", text):
        raise ValueError("variables are not filled in here\nwrite the folder out")
    return text
