"""Requirement lines that name code of this laptop: a wheel or another archive, a project's folder,
``-e`` and a folder. Paths are relative to the environment file's folder, as conda and pip (run
there) take them, also in files that ``-r`` names."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote
from urllib.request import url2pathname

from gpuws.config import code_files
from gpuws.config.pyproject import project_table
from gpuws.config.requirement import checked_shape, is_local, split_options, split_words
from gpuws.config.source import quoted, read_source
from gpuws.errors import GpuwsError
from gpuws.plan.model import LocalCode

_EDITABLE = re.compile(r"(-e\s*|--editable(?:\s+|=))(.*)")
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*)(.+)")
_EXTRAS = re.compile(r"(.+?)(\[[^\[\]]*\])?")
_ARCHIVE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._+!-]*)\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)", re.IGNORECASE
)


@dataclass(frozen=True)
class _Line:
    """A line cut into the path and what stands around it."""

    before: str
    value: str  # a path or a file: URL
    after: str

    @property
    def editable(self) -> bool:
        return self.before.startswith("-")


def local_code(text: str, folder: Path, project: Path) -> LocalCode | None:
    """What the line names, from ``folder``; None where it is nothing of this laptop. ``project``:
    the folder that editables are part of.

    Raises ValueError, "message" or "message, newline, hint".
    """
    text = re.sub(r"\s+#.*$", "", text)
    line = _editable(text) or _named(text) or _plain(text)
    if line is None:
        return None
    value, promised = _path(line.value)
    try:
        return _found(text, line, Path(os.path.normpath(folder / value)), project, promised)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"there is no {quoted(value)}\nlocal code is looked for in {folder}"
        ) from None
    except OSError as error:
        raise ValueError(f"{quoted(value)} cannot be read: {error.strerror or error}") from None


def _found(text: str, line: _Line, path: Path, project: Path, promised: str) -> LocalCode:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        return _folder(text, line, path, project)
    if line.editable:
        raise ValueError(f"{quoted(line.value)} is no folder, and only a folder can be editable")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{quoted(line.value)} is neither a folder nor an archive")
    return _archive(text, line, path, promised)


# --- the line -------------------------------------------------------------------------------------


def _editable(text: str) -> _Line | None:
    found = _EDITABLE.fullmatch(text)
    if not found:
        return None
    words = split_words(found[2])
    if len(words) != 1:
        raise ValueError(f"{found[1].strip(' =')} takes a folder, and nothing after it")
    if not is_local(words[0]) and "://" in words[0]:
        raise ValueError(
            f"{found[1].strip(' =')} takes a folder of this laptop\n"
            "without it, pip installs from that address"
        )
    path = _EXTRAS.fullmatch(words[0])
    return _Line("-e ", path[1], path[2] or "") if path else None


def _named(text: str) -> _Line | None:
    requirement, after = _cut(text)
    found = _NAMED.fullmatch(requirement)
    return _Line(found[1], found[2], after) if found and is_local(found[2]) else None


def _plain(text: str) -> _Line | None:
    requirement, after = _cut(text)
    if text.startswith("-") or not is_local(requirement):
        return None
    found = _EXTRAS.fullmatch(requirement)
    return _Line("", found[1], (found[2] or "") + after) if found else None


def _cut(text: str) -> tuple[str, str]:
    """Before and from its marker or its options on."""
    bare = split_options(text)[0]
    if is_local(bare) or "@" in bare:
        checked_shape(text)
    requirement = re.split(r"\s*;", bare, maxsplit=1)[0].strip()
    return requirement, text[len(requirement) :]


def _path(value: str) -> tuple[str, str]:
    """(path, the sha256 that a URL promises)."""
    if re.match(r"[a-z]+\+", value, re.IGNORECASE):
        raise ValueError(f"{quoted(value)} is a repository of this laptop\nname its folder instead")
    if value.startswith("~"):
        raise ValueError(f"only a shell knows what {quoted(value)} is\nwrite the whole path")
    if not value.lower().startswith("file:"):
        return value, ""
    address, _, fragment = value[len("file:") :].partition("#")
    promised = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
    if not address.startswith("//"):
        return unquote(address), promised
    host, slash, rest = address[2:].partition("/")
    if host not in ("", "localhost"):
        raise ValueError(f"{quoted(value)} names another machine\nfile: takes three slashes")
    return url2pathname(slash + rest), promised


# --- what it names --------------------------------------------------------------------------------


def _archive(text: str, line: _Line, path: Path, promised: str) -> LocalCode:
    found = _ARCHIVE.fullmatch(path.name)
    if not found:
        raise ValueError(f"{quoted(path.name)} is no wheel and no source archive that pip knows")
    size = path.stat().st_size
    if size > code_files.MAX_BYTES:
        most = f"{code_files.MAX_BYTES / 1e6:,.0f} MB"
        raise ValueError(
            f"{quoted(path.name)} has {size / 1e6:,.0f} MB, {most} is the most that is sent\n"
            "put it on an index, or where the host can download it from"
        )
    digest = code_files.sha256_of(path)
    if promised and promised != digest:
        raise ValueError(f"{quoted(path.name)} has the sha256 {digest}, the line promises another")
    parts = found[1].split("-")
    name = parts[0] if found[2].lower() == "whl" else "-".join(parts[:-1])
    return LocalCode(
        text, "archive", str(path), line.before, line.after, name, digest, declares=digest
    )


def _folder(text: str, line: _Line, path: Path, project: Path) -> LocalCode:
    declared = code_files.declares(path)
    if not declared:
        raise ValueError(
            f"{quoted(line.value)} has neither pyproject.toml nor setup.py\n"
            "pip installs only folders that have one"
        )
    code = LocalCode(
        text, "folder", str(path), line.before, line.after, _name(path), declares=declared
    )
    if line.editable:
        return replace(code, kind="editable", inside=_inside(path, project, line.value))
    return replace(code, digest=code_files.digest_of(code_files.code_files(path)))


def _inside(path: Path, project: Path, value: str) -> str:
    real, top = path.resolve(), project.resolve()
    if not real.is_relative_to(top):
        raise ValueError(
            f"{quoted(value)} is outside {top}: an editable lives in the workspace's folder\n"
            "without -e it is installed from there; or `environment:` in a gpuws.yaml of the "
            "folder that has both names this file"
        )
    return str(PurePosixPath(*real.relative_to(top).parts))


def _name(folder: Path) -> str:
    try:
        found = project_table(read_source(folder / "pyproject.toml")).get("name")
    except GpuwsError:  # the build says what is wrong with it, where anything is
        return ""
    return found if isinstance(found, str) and re.fullmatch(r"[A-Za-z0-9._-]+", found) else ""
