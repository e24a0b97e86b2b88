"""One conda package as a value, and its archive (.tar.bz2 or .conda) as a file."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import zstandard

PLACEHOLDER = "/opt/placeholder_" + "placehold_" * 20
"""The prefix "at build time": long, as real ones are, so that binary files can be patched."""


@dataclass(frozen=True)
class File:
    """A file of a package; ``link`` makes it a symlink. Files holding PLACEHOLDER are patched."""

    path: str
    data: bytes = b""
    link: str = ""
    executable: bool = False


@dataclass(frozen=True)
class Package:
    """``noarch`` is "" (the channel's own subdir), "python" or "generic"."""

    name: str
    version: str
    build: str = "0"
    number: int = 0
    depends: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    noarch: str = ""
    entry_points: tuple[str, ...] = ()
    form: str = ".tar.bz2"

    @property
    def label(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"


def write_package(package: Package, channel: Path, subdir: str) -> Path:
    """Write the archive below ``channel`` and return its path."""
    home = "noarch" if package.noarch else subdir
    path = channel / home / (package.label + package.form)
    path.parent.mkdir(parents=True, exist_ok=True)
    info = _tar(_info(package, home), "w")
    content = _tar(package.files, "w")
    if package.form == ".conda":
        path.write_bytes(_conda(package.label, info, content))
    else:
        both = _tar((*_info(package, home), *package.files), "w:bz2")
        path.write_bytes(both)
    return path


def _info(package: Package, subdir: str) -> tuple[File, ...]:
    index = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.number,
        "depends": list(package.depends),
        "subdir": subdir,
        "license": "Apache-2.0",
        "timestamp": 1_700_000_000_000,
    }
    if package.noarch:
        index["noarch"] = package.noarch
    if not package.noarch and "-" in subdir:
        system, _, machine = subdir.partition("-")
        index["platform"] = system
        index["arch"] = {"64": "x86_64"}.get(machine, machine)
    files = [
        _json("info/index.json", index),
        _json("info/paths.json", {"paths": [_entry(f) for f in package.files], "paths_version": 1}),
        _json("info/about.json", {"summary": f"{package.name}, made by the tests"}),
        File("info/files", "".join(f.path + "\n" for f in package.files).encode()),
    ]
    if package.noarch == "python":
        noarch = {"type": "python", "entry_points": list(package.entry_points)}
        files.append(_json("info/link.json", {"noarch": noarch, "package_metadata_version": 1}))
    return tuple(files)


def _entry(file: File) -> dict[str, object]:
    entry: dict[str, object] = {
        "_path": file.path,
        "path_type": "softlink" if file.link else "hardlink",
        "sha256": hashlib.sha256(file.data).hexdigest(),
        "size_in_bytes": len(file.data),
    }
    if PLACEHOLDER.encode() in file.data:
        entry["prefix_placeholder"] = PLACEHOLDER
        entry["file_mode"] = "binary" if b"\0" in file.data else "text"
    return entry


def _json(path: str, value: object) -> File:
    return File(path, json.dumps(value, indent=2).encode())


def _tar(files: tuple[File, ...], mode: str) -> bytes:
    out = io.BytesIO()
    options = {"compresslevel": 1} if mode == "w:bz2" else {}
    with tarfile.open(fileobj=out, mode=mode, **options) as tar:  # type: ignore[call-overload]
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.mtime = 1_700_000_000
            member.mode = 0o755 if file.executable else 0o644
            if file.link:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
            else:
                member.size = len(file.data)
            tar.addfile(member, io.BytesIO(file.data))
    return out.getvalue()


def _conda(label: str, info: bytes, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        press = zstandard.ZstdCompressor(level=1).compress
        archive.writestr(f"pkg-{label}.tar.zst", press(content))
        archive.writestr(f"info-{label}.tar.zst", press(info))
    return out.getvalue()
