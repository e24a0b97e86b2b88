"""conda-lock.yml in conda-lock's format 1, which mamba and micromamba read too: read and written.

Beside a lock's own keys gpuws uses ``custom_metadata``, which the format gives to its writers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gpuws.config.environment import FILE_NAMES
from gpuws.config.source import Source, quoted, read_source
from gpuws.config.yaml_file import Items, Node, Scalar, Table, describe, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.model import Pairs

NAME = "conda-lock.yml"
_INVALID = "lock-invalid"
_LARGEST = 16 << 20  # bytes; a package of one platform takes some 700
_RENEW = "`gpuws env lock HOST` writes it anew"
_WRITER = "gpuws"  # the key that says that gpuws wrote it
_HOSTS = "gpuws-host-"  # + platform: what was assumed of the host
_SIZES = "gpuws-bytes-"  # + platform: of all archives
_NAME_OK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_URL = re.compile(r"(?:git\+)?(?:https?|file|ssh)://[^\s'\"\\`$;|<>]+")


def lock_path(files: Sequence[Path]) -> Path:
    """The lock that belongs to environment files, beside the first: conda-lock.yml, for a file with
    a name of its own NAME.conda-lock.yml, and ONE+TWO.conda-lock.yml for two that are merged."""
    first = files[0]
    if len(files) == 1 and first.name in FILE_NAMES:
        return first.with_name(NAME)
    return first.with_name(f"{'+'.join(each.stem for each in files)}.{NAME}")


def find_locks(files: Sequence[Path]) -> tuple[Lock, ...]:
    """Those of the lock file beside them; none where there is none."""
    path = lock_path(files)
    return load_locks(path) if os.path.lexists(path) else ()


def load_locks(path: Path) -> tuple[Lock, ...]:
    """One for each platform. Raises lock-invalid with file, line and column."""
    return tuple(_Reader(read_source(path, _INVALID, _LARGEST)).locks())


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source

    def locks(self) -> Iterator[Lock]:
        top = self._table(load_yaml(self._source), "the file")
        version = top.values.get("version")
        if not version or self._text(version[1], "version") != "1":
            raise self._error(top, "this is no conda-lock file of version 1", _RENEW)
        packages = [self._package(node) for node in self._list(self._need(top, "package"))]
        metadata = self._table(self._need(top, "metadata"), "metadata")
        hashes = self._pairs(metadata, "content_hash")
        custom = self._pairs(metadata, "custom_metadata")
        for platform in dict.fromkeys(name for name, _ in packages):
            found = tuple(package for name, package in packages if name == platform)
            yield self._lock(platform, found, hashes, custom, self._channels(metadata))

    def _lock(
        self,
        platform: str,
        packages: tuple[LockedPackage, ...],
        hashes: dict[str, str],
        custom: dict[str, str],
        channels: tuple[str, ...],
    ) -> Lock:
        assumed = dict(_pairs_of(custom.get(_HOSTS + platform, "")))
        size = custom.get(_SIZES + platform, "")
        return Lock(
            source=self._source.shown,
            platform=platform,
            packages=packages,
            declared=hashes.get(platform, "") if _WRITER in custom else "",
            python=assumed.pop("python", ""),
            virtual=tuple(assumed.items()),
            channels=channels,
            download_bytes=int(size) if size.isdigit() else 0,
        )

    def _package(self, node: Node) -> tuple[str, LockedPackage]:
        table = self._table(node, "a package")
        said = {
            key: self._text(self._need(table, key), key)
            for key in ("name", "version", "manager", "platform", "url")
        }
        hashes = self._pairs(table, "hash")
        build = table.values.get("build")
        package = LockedPackage(
            manager=said["manager"],
            name=said["name"],
            version=said["version"],
            url=said["url"],
            sha256=hashes.get("sha256", ""),
            md5=hashes.get("md5", ""),
            build=self._text(build[1], "build") if build else _build_of(said),
            depends=tuple(self._pairs(table, "dependencies").items()),
            direct="source" in table.values or said["url"].startswith("git+"),
        )
        self._check(table, package)
        return said["platform"], package

    def _check(self, table: Table, package: LockedPackage) -> None:
        """What is written into lists for other tools must be what it seems."""
        if package.manager not in ("conda", "pip"):
            raise self._error(table, f"the manager {quoted(package.manager)} is not known")
        if not _NAME_OK.fullmatch(package.name):
            raise self._error(table, f"{quoted(package.name)} cannot be the name of a package")
        if not _URL.fullmatch(package.url):
            raise self._error(table, f"{package.name}: its url is none")
        digest, algorithm = (package.sha256, 64) if package.sha256 else (package.md5, 32)
        unhashed = package.manager == "pip" and package.url.startswith("git+")
        if not unhashed and not re.fullmatch(f"[0-9a-f]{{{algorithm}}}", digest):
            raise self._error(table, f"{package.name} has no hash", _RENEW)

    def _channels(self, metadata: Table) -> tuple[str, ...]:
        if "channels" not in metadata.values:
            return ()
        nodes = self._list(metadata.values["channels"][1])
        return tuple(self._pair_text(self._table(node, "a channel"), "url") for node in nodes)

    # --- nodes to values ---

    def _pair_text(self, table: Table, key: str) -> str:
        return self._text(self._need(table, key), key)

    def _pairs(self, table: Table, key: str) -> dict[str, str]:
        if key not in table.values:
            return {}
        inner = self._table(table.values[key][1], key)
        return {name: self._text(node, name) for name, (_, node) in inner.values.items()}

    def _need(self, table: Table, key: str) -> Node:
        if key not in table.values:
            raise self._error(table, f"{key}: is missing here", _RENEW)
        return table.values[key][1]

    def _table(self, node: Node, what: str) -> Table:
        if not isinstance(node, Table):
            raise self._error(node, f"{what} is a map, not {describe(node)}", _RENEW)
        return node

    def _list(self, node: Node) -> tuple[Node, ...]:
        if not isinstance(node, Items):
            raise self._error(node, f"a list belongs here, not {describe(node)}", _RENEW)
        return node.values

    def _text(self, node: Node, what: str) -> str:
        if not isinstance(node, Scalar):
            raise self._error(node, f"{what} is text, not {describe(node)}", _RENEW)
        return node.text

    def _error(self, node: Node, message: str, hint: str = "") -> GpuwsError:
        return self._source.error(node.line, node.column, message, hint)


def _build_of(said: dict[str, str]) -> str:
    """conda-lock leaves it out; the archive's name ends in it."""
    file = said["url"].rsplit("/", 1)[-1]
    stem = re.sub(r"(\.conda|\.tar\.bz2)(#.*)?$", "", file)
    return stem.rpartition("-")[2] if said["manager"] == "conda" else ""


def _pairs_of(text: str) -> Pairs:
    """ "a=1 b=2" as pairs."""
    cut = (word.partition("=") for word in text.split())
    return tuple((name, value) for name, _, value in cut)


# --- writing -----------------------------------------------------------------------------------


def lock_text(locks: Sequence[Lock], sources: Sequence[str]) -> str:
    """The file. ``sources``: the environment files, as they are named from beside it."""
    packages = [
        (package.manager != "conda", package.name, lock.platform, package)
        for lock in locks
        for package in lock.packages
    ]
    lines = [
        "# Written by `gpuws env lock`: every package with its hash, in the format of conda-lock.",
        "# `gpuws up` builds from it; conda-lock, mamba and micromamba read it as well.",
        "version: 1",
        *_metadata(locks, sources),
        "package:",
    ]
    for _, _, platform, package in sorted(packages, key=lambda each: each[:3]):
        lines += _entry(platform, package)
    return "\n".join(lines) + "\n"


def _metadata(locks: Sequence[Lock], sources: Sequence[str]) -> Iterator[str]:
    yield "metadata:"
    yield "  content_hash:"
    yield from (f"    {lock.platform}: {lock.declared}" for lock in locks)
    channels = dict.fromkeys(channel for lock in locks for channel in lock.channels)
    yield "  channels:" if channels else "  channels: []"
    for channel in channels:
        yield f"  - url: {_quoted(channel)}"
        yield "    used_env_vars: []"
    yield "  platforms:"
    yield from (f"  - {lock.platform}" for lock in locks)
    yield "  sources:"
    yield from (f"  - {_quoted(source)}" for source in sources)
    yield "  custom_metadata:"
    yield f"    {_WRITER}: '1'"
    for lock in locks:
        assumed = (*lock.virtual, *((("python", lock.python),) if lock.python else ()))
        said = " ".join(f"{name}={value}" for name, value in assumed)
        yield f"    {_HOSTS}{lock.platform}: {_quoted(said)}"
        yield f"    {_SIZES}{lock.platform}: '{lock.download_bytes}'"


def _entry(platform: str, package: LockedPackage) -> Iterator[str]:
    yield f"- name: {_quoted(package.name)}"
    yield f"  version: {_quoted(package.version)}"
    yield f"  manager: {package.manager}"
    yield f"  platform: {platform}"
    yield "  dependencies:" if package.depends else "  dependencies: {}"
    yield from (f"    {_quoted(name)}: {_quoted(said)}" for name, said in package.depends)
    yield f"  url: {_quoted(package.url)}"
    yield "  hash:" if package.md5 or package.sha256 else "  hash: {}"
    if package.md5:
        yield f"    md5: {package.md5}"
    if package.sha256:
        yield f"    sha256: {_quoted(package.sha256)}"
    if package.direct:
        yield "  source:"
        yield "    type: url"
        yield f"    url: {_quoted(package.url)}"
    if package.build:
        yield f"  build: {_quoted(package.build)}"
    yield "  category: main"
    yield "  optional: false"


_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./:+-]*[A-Za-z0-9_/]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def _quoted(text: str) -> str:
    """Bare where YAML cannot read it as anything but text; JSON's strings are YAML's."""
    plain = _BARE.fullmatch(text) and text.lower() not in _WORDS and ": " not in text
    return text if plain else json.dumps(text)
