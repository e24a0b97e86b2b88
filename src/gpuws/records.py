"""The laptop's address book of workspaces and their local ports: no secrets, and losing it costs
nothing."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gpuws import places
from gpuws.config.writing import replace_file

_SCHEMA = 1
_DAMAGED = (OSError, ValueError, KeyError, TypeError)
_PATIENCE = 0.5  # seconds for whoever else changes the file
_MOST_PORTS = 500  # forwards whose local port is kept


@dataclass(frozen=True)
class Record:
    """What was last seen of one workspace. Times are seconds since the epoch."""

    host: str
    name: str
    local_port: int = 0
    base_url: str = ""
    socket: str = ""  # of Jupyter on the host; where it is asked for ahead of the host's word
    root: str = ""
    ssh_config: str | None = None
    port: int | None = None
    state: str = "running"
    environment: str = ""
    seen: float = 0.0
    used: float = 0.0


class Records:
    """One small file, replaced as a whole; a file that cannot be read is set aside."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or places.state() / "workspaces.json"

    def all(self) -> tuple[Record, ...]:
        """Every known workspace, the last used first."""
        try:
            return self._read()
        except _DAMAGED:
            self._set_aside()
            return ()

    def read(self) -> tuple[Record, ...]:
        """The same, without touching a file that cannot be read."""
        try:
            return self._read()
        except _DAMAGED:
            return ()

    def _read(self) -> tuple[Record, ...]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ()
        found = [_record(item) for item in data["workspaces"] if isinstance(item, dict)]
        known = [record for record in found if record is not None]
        return tuple(sorted(known, key=lambda record: -record.used))

    def of(self, host: str) -> tuple[Record, ...]:
        return tuple(record for record in self.all() if record.host == host)

    def remember(self, record: Record) -> None:
        with self._alone():
            others = [r for r in self.all() if (r.host, r.name) != (record.host, record.name)]
            self._write([record, *others], self._ports())

    def forget(self, host: str, name: str) -> None:
        """Its forwards' ports are kept: bookmarks hold over `down` and `up`."""
        with self._alone():
            kept = [r for r in self.all() if (r.host, r.name) != (host, name)]
            self._write(kept, self._ports())

    def port_of(self, place: str, forward: str) -> int | None:
        """The local port that a forward of the workspace HOST/NAME had the last time."""
        return self._ports().get(f"{place} {forward}")

    def keep_port(self, place: str, forward: str, port: int) -> None:
        key = f"{place} {forward}"
        if self._ports().get(key) == port:
            return
        with self._alone():
            others = [pair for pair in self._ports().items() if pair[0] != key]
            self._write(list(self.all()), dict([*others, (key, port)][-_MOST_PORTS:]))

    def _ports(self) -> dict[str, int]:
        """The oldest choice first; none from a file that cannot be read."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))["ports"]
            return {k: v for k, v in found.items() if type(v) is int and 1024 <= v <= 65535}
        except (*_DAMAGED, AttributeError):
            return {}

    def _write(self, records: list[Record], ports: dict[str, int]) -> None:
        """A laptop's full or read-only disk must not fail what was done on the host."""
        places.private(self._path.parent)
        known = {"workspaces": [asdict(r) for r in records], "ports": ports}
        text = json.dumps({"schema": _SCHEMA, **known}, indent=1)
        with contextlib.suppress(OSError):
            replace_file(self._path, text.encode(), private=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One keeper changes the file at a time. A file that exists is the lock, since every
        system has those; who finds it for too long goes on: losing a record costs nothing."""
        lock, deadline = self._path.with_suffix(".lock"), time.monotonic() + _PATIENCE
        held = False
        with contextlib.suppress(OSError):
            places.private(lock.parent)
            while not held and time.monotonic() < deadline:
                try:
                    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    held = True
                except FileExistsError:
                    time.sleep(0.005)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()

    def _set_aside(self) -> None:
        try:
            self._path.replace(self._path.with_suffix(".bad"))
        except OSError:
            return


def _record(item: dict[str, object]) -> Record | None:
    numbers = {"local_port", "port", "seen", "used"}
    known = {}
    for each in fields(Record):
        value = item.get(each.name)
        if isinstance(value, (int, float) if each.name in numbers else str):
            known[each.name] = value
    if not known.get("host") or not known.get("name"):
        return None
    return Record(**known)  # type: ignore[arg-type]
