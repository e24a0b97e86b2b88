"""Records into a prefix: rattler links, this keeps the books as the real tools do."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rattler
from rattler.exceptions import InstallerError

from .faults import Faults
from .fetching import locked_from
from .solving import Record


class NotLinked(Exception):
    """Linking failed; what had been linked was taken away again."""


def link(
    records: list[Record],
    prefix: Path,
    cache: Path,
    faults: Faults,
    *,
    say: Callable[[Record], None],
    copy: bool = False,
) -> None:
    """Link archives that are in ``cache`` into ``prefix``, saying each as it starts."""
    fails_at = faults.fails_at()
    chosen = records if fails_at is None else _in_order(records)[: max(fails_at - 1, 0)]
    local = [_local(record, cache) for record in chosen]
    try:
        _install(local, prefix, cache, faults, say=say, copy=copy)
        if fails_at is not None:
            raise NotLinked("failed to link a package, as the test asked")
    except (InstallerError, OSError, NotLinked, KeyboardInterrupt) as error:
        _install([], prefix, cache, faults)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise NotLinked(str(error)) from None
    _restore_urls(records, prefix)


def _install(
    records: list[Record],
    prefix: Path,
    cache: Path,
    faults: Faults,
    *,
    say: Callable[[Record], None] | None = None,
    copy: bool = False,
) -> None:
    options: dict[str, Any] = {}
    if copy:
        options["config"] = rattler.Config.from_toml(
            "allow-hard-links = false\nallow-ref-links = false"
        )
    asyncio.run(
        rattler.install(
            records,
            prefix,
            package_cache=rattler.PackageCache(cache),
            show_progress=False,
            execute_link_scripts=True,
            reporter=_Reporter(records, faults, say),  # type: ignore[abstract]
            **options,
        )
    )
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # rattler's own, not of the real tools


class _Reporter(rattler.InstallerReporter):
    """Called from rattler's threads; one line for each package as its linking starts."""

    def __init__(
        self, records: list[Record], faults: Faults, say: Callable[[Record], None] | None
    ) -> None:
        self._records = {record.name.normalized: record for record in records}
        self._faults, self._say = faults, say
        self._lock, self._number = threading.Lock(), 0

    def on_link_start(self, operation: int, package_name: str) -> int:
        if self._say is None or package_name not in self._records:
            return operation
        with self._lock:
            self._number += 1
            self._faults.linking(self._number)
            self._say(self._records[package_name])
        return operation


def _in_order(records: list[Record]) -> list[Record]:
    """Dependencies first."""
    by_name = {record.name.normalized: record for record in records}
    ordered: list[Record] = []

    def visit(record: Record, above: frozenset[str]) -> None:
        for spec in record.depends:
            needed = by_name.get(spec.split()[0])
            if needed is not None and spec.split()[0] not in above:
                visit(needed, above | {spec.split()[0]})
        if record not in ordered:
            ordered.append(record)

    for record in records:
        visit(record, frozenset((record.name.normalized,)))
    return ordered


def _local(record: Record, cache: Path) -> Record:
    """The same record, taken from the archive in the cache instead of from its channel."""
    path = cache / locked_from(record).file_name
    return Record(record, record.file_name, path.as_uri(), record.channel)


def _restore_urls(records: list[Record], prefix: Path) -> None:
    urls = {f"{r.name.normalized}-{r.version}-{r.build}": r for r in records}
    for name, record in urls.items():
        path = prefix / "conda-meta" / f"{name}.json"
        meta = json.loads(path.read_text())
        meta["url"], meta["channel"] = record.url, record.channel.rstrip("/")
        path.write_text(json.dumps(meta, indent=2))


# --- the books ------------------------------------------------------------------------------------


def write_history(
    prefix: Path, argv: Sequence[str], records: list[Record], specs: Sequence[str]
) -> None:
    """The entry of one transaction, as conda and mm write it."""
    path = prefix / "conda-meta" / "history"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"==> {time.strftime('%Y-%m-%d %H:%M:%S')} <==", f"# cmd: {' '.join(argv)}"]
    lines += [
        f"+{record.channel.rstrip('/')}/{record.subdir}::{label(record)}" for record in records
    ]
    if specs:
        lines.append(f"# update specs: {json.dumps(list(specs))}")
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")


def write_variables(prefix: Path, variables: dict[str, Any], *, upper: bool) -> None:
    """conda-meta/state; mm keeps upper case strings, conda what the file said."""
    if not variables:
        return
    kept = {k.upper(): str(v) for k, v in variables.items()} if upper else variables
    path = prefix / "conda-meta" / "state"
    path.write_text(json.dumps({"version": 1, "env_vars": kept}, indent=2))


def register(prefix: Path, *, add: bool = True) -> None:
    """~/.conda/environments.txt; a failure to write it is nobody's concern."""
    path = Path.home() / ".conda" / "environments.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        kept = [line for line in lines if line != str(prefix)]
        path.write_text("".join(f"{line}\n" for line in [*kept, *([str(prefix)] if add else [])]))
    except OSError:
        return


def remove(prefix: Path) -> None:
    shutil.rmtree(prefix)
    register(prefix, add=False)


def installed(prefix: Path) -> list[rattler.PrefixRecord]:
    found = sorted((prefix / "conda-meta").glob("*.json"))
    return [rattler.PrefixRecord.from_path(path) for path in found]


def label(record: Record) -> str:
    return f"{record.name.normalized}-{record.version}-{record.build}"


def is_environment(prefix: Path) -> bool:
    return (prefix / "conda-meta").is_dir()


def writable(prefix: Path) -> bool:
    above = prefix
    while not above.exists():
        above = above.parent
    return above.is_dir() and os.access(above, os.W_OK)
