"""hosts.yaml → one HostEntry a host. A bad entry is told and left out; the others stay usable."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from gpuws.config.host_values import READERS, Reader, WrongPart, host_name
from gpuws.config.source import HOSTS, Source, quoted, read_source
from gpuws.config.variables import checked_variables
from gpuws.config.yaml_file import Node, Scalar, Table, describe, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.model import HostEntry

_TOP = ("hosts", "defaults")
_OFTEN_MEANT = {
    "host": "ssh",
    "hostname": "ssh",
    "address": "ssh",
    "target": "ssh",
    "gpu": "gpus",
    "cuda_visible_devices": "gpus",
    "env_file": "environment",
    "conda_env": "use_env",
    "index_url": "pip_index",
    "hf_endpoint": "mirror",
    "pre": "prologue",
    "modules": "prologue",
    "workdir": "dir",
    "jupyter_port": "local_port",
    "identityfile": "identity_file",
    "key": "identity_file",
    "proxyjump": "proxy_jump",
    "jump": "proxy_jump",
    "bastion": "proxy_jump",
}
_OF_SSH_CONFIG = frozenset({"user", "username", "password"})
_OF_ONE_HOST = ("ssh", "known_hosts", "local_port")

Settings = dict[str, object]


class BadEntry(GpuwsError):
    """A mistake in the entry of one host."""

    def __init__(self, host: str, found: GpuwsError) -> None:
        super().__init__(found.code, found.message, hint=found.hint, detail=found.detail)
        self.host = host


def load_hosts(path: Path) -> tuple[dict[str, HostEntry], tuple[GpuwsError, ...]]:
    """(entries by name, what is wrong with the others), each problem with file, line and column.

    Raises GpuwsError hosts-file-invalid only when the file as a whole cannot be read.
    """
    source = read_source(path, HOSTS)
    top = load_yaml(source)
    if isinstance(top, Scalar) and top.sort == "nothing":
        return {}, ()
    if not isinstance(top, Table):
        raise source.error(
            top.line,
            top.column,
            f"the file holds {describe(top)} where `hosts:` belongs",
            "see hosts.example.yaml",
        )
    return Hosts(source, EntryReader(source, READERS)).load(top)


class EntryReader:
    """Reads the keys of one entry; what is wrong or put aside is collected with its place."""

    def __init__(
        self, source: Source, readers: dict[str, Reader], reserved: tuple[str, ...] = ()
    ) -> None:
        """``reserved``: keys that are accepted and ignored, with a note."""
        self.source = source
        self.problems: list[GpuwsError] = []
        self.notes: list[str] = []
        self._readers = readers
        self._reserved = reserved

    def read(self, key: Scalar, node: Node, settings: Settings) -> None:
        if key.text in self._reserved:
            where = self.source.at(key.line)
            self.notes.append(f"{where}: {key.text}: is ignored, gpuws cannot do that yet")
            return
        if key.text not in (*self._readers, "env"):
            self.tell(key, f"unknown key {quoted(key.text)}", _meant(key.text, self._readers))
            return
        if isinstance(node, Scalar) and node.sort == "nothing":
            return
        try:
            settings[key.text] = self._value(key.text, node)
        except GpuwsError as error:
            self.problems.append(error)
        except ValueError as error:
            message, _, hint = str(error).partition("\n")
            at = error.node if isinstance(error, WrongPart) else node
            self.tell(at, f"{key.text}: {message}", hint)

    def _value(self, key: str, node: Node) -> object:
        if key == "env":
            return checked_variables(self.source, node, key)
        return self._readers[key](node)

    def tell(self, node: Node, message: str, hint: str = "") -> None:
        self.problems.append(self.source.error(node.line, node.column, message, hint))


class Hosts:
    """The whole file, entry by entry."""

    def __init__(self, source: Source, reader: EntryReader) -> None:
        self.reader = reader
        self._source = source

    def load(self, top: Table) -> tuple[dict[str, HostEntry], tuple[GpuwsError, ...]]:
        self._unknown_top(top)
        defaults = self._defaults(top)
        entries = {}
        for key, node in self._map(top, "hosts"):
            entry = self._entry(key, node, defaults)
            if entry:
                entries[entry.name] = entry
        return entries, tuple(self.reader.problems)

    def _unknown_top(self, top: Table) -> None:
        for name, (key, _) in top.values.items():
            if name not in _TOP:
                near = difflib.get_close_matches(name, _TOP, 1)
                hint = f"did you mean {near[0]}:?" if near else "hosts belong below `hosts:`"
                self.reader.tell(key, f"unknown key {quoted(name)}", hint)

    def _map(self, top: Table, key: str) -> Iterator[tuple[Scalar, Node]]:
        node = top.values[key][1] if key in top.values else None
        if node is None or (isinstance(node, Scalar) and node.sort == "nothing"):
            return
        if isinstance(node, Table):
            yield from node.values.values()
        else:
            self.reader.tell(node, f"{key}: takes a map, not {describe(node)}")

    def _defaults(self, top: Table) -> Settings:
        """What is right in ``defaults:``; each wrong key is told once and counts for no host."""
        found: Settings = {}
        for key, node in self._map(top, "defaults"):
            if key.text in _OF_ONE_HOST:
                self.reader.tell(key, f"{key.text}: is of one host and cannot be a default")
                continue
            self.reader.read(key, node, found)
        return found

    def _entry(self, key: Scalar, node: Node, defaults: Settings) -> HostEntry | None:
        problems = self.reader.problems
        before = len(problems)
        try:
            name = host_name(key.text)
        except ValueError as error:
            self.reader.tell(key, str(error))
            return None
        settings: Settings = {}
        if isinstance(node, Table):
            for inner, value in node.values.values():
                self.reader.read(inner, value, settings)
        elif not (isinstance(node, Scalar) and node.sort == "nothing"):
            self.reader.tell(node, f"host {name} takes a map of keys, not {describe(node)}")
        if len(problems) > before:
            problems[before:] = [BadEntry(name, each) for each in problems[before:]]
            return None
        merged = _below(defaults, settings)
        return HostEntry(name=name, where=self._source.at(key.line), **merged)  # type: ignore[arg-type]


def _below(defaults: Settings, settings: Settings) -> Settings:
    """The entry's keys over the defaults; ``env`` is joined name by name, all else replaced."""
    merged = {**defaults, **settings}
    ours, theirs = settings.get("env"), defaults.get("env")
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        merged["env"] = tuple(dict((*theirs, *ours)).items())
    return merged


def _meant(name: str, keys: Iterable[str]) -> str:
    if name.lower() in _OF_SSH_CONFIG:
        return "logins belong in ~/.ssh/config; here `ssh: user@host` names the login"
    known = (*keys, "env")
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1)
    meant = _OFTEN_MEANT.get(name.lower()) or (near[0] if near else "")
    return f"did you mean {meant}:?" if meant else f"the keys are {', '.join(known)}"
