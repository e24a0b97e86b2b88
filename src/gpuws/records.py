"""The laptop's address book of workspaces: no secrets, and losing it costs nothing."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gpuws import places

_SCHEMA = 1
_DAMAGED = (OSError, ValueError, KeyError, TypeError)


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
        others = [r for r in self.all() if (r.host, r.name) != (record.host, record.name)]
        self._write([record, *others])

    def forget(self, host: str, name: str) -> None:
        kept = [r for r in self.all() if (r.host, r.name) != (host, name)]
        self._write(kept)

    def _write(self, records: list[Record]) -> None:
        """A laptop's full or read-only disk must not fail what was done on the host."""
        places.private(self._path.parent)
        text = json.dumps({"schema": _SCHEMA, "workspaces": [asdict(r) for r in records]}, indent=1)
        temporary = self._path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
        with contextlib.suppress(OSError):
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o600)
            temporary.replace(self._path)

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
