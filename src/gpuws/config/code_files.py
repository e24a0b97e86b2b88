"""The files of a project's folder that are its own: what git knows of them, else all but what
tools make. Links that leave the folder are refused, and so is a folder full of data."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from gpuws.config.source import quoted

MAX_BYTES = 200_000_000
MAX_FILES = 20_000
DECLARING = ("pyproject.toml", "setup.cfg", "setup.py")
"""What says what a project needs and how it is built; local.sh has the same names in this order."""

_CHUNK = 1 << 20
_MADE_BY_TOOLS = frozenset(
    {
        *(".git", ".hg", ".svn", "__pycache__", ".venv", "venv", ".tox", ".nox", ".eggs"),
        *("node_modules", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"),
    }
)
_BUILT = frozenset({"build", "dist"})  # at the top only: a package may be called so


@dataclass(frozen=True)
class CodeFile:
    """``name`` is POSIX and relative to the folder; ``link``: where a symlink points to."""

    name: str
    path: Path
    size: int  # bytes
    executable: bool = False
    link: str = ""


def code_files(folder: Path) -> tuple[CodeFile, ...]:
    """In the order of their names. Raises ValueError "message, newline, hint", and OSError."""
    found, size = list[CodeFile](), 0
    for name in _names(folder):
        file = _file(folder, name)
        if file:
            found.append(file)
            size += file.size
        if len(found) > MAX_FILES:
            break
    if size > MAX_BYTES or len(found) > MAX_FILES:
        raise _too_much(found, size)
    return tuple(sorted(found, key=lambda each: each.name))


def digest_of(files: Sequence[CodeFile]) -> str:
    """sha256 of names, kinds and contents."""
    whole = hashlib.sha256()
    for each in files:
        kind = f"link {each.link}" if each.link else f"file {int(each.executable)}"
        content = "" if each.link else sha256_of(each.path)
        whole.update(f"{each.name}\0{kind}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def sha256_of(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            whole.update(part)
    return whole.hexdigest()


def declares(folder: Path) -> str:
    """sha256 of what declares the project, however its lines end; "" where nothing does."""
    whole, any_there = hashlib.sha256(), False
    for name in DECLARING:
        path = folder / name
        if path.is_file():
            any_there = any_there or name != "setup.cfg"
            whole.update(f"{name}\n".encode() + path.read_bytes().replace(b"\r", b""))
    return whole.hexdigest() if any_there else ""


def _too_much(found: Sequence[CodeFile], size: int) -> ValueError:
    largest = max(found, key=lambda each: each.size)
    return ValueError(
        f"{len(found):,} files of {size / 1e6:,.0f} MB are more than code: {MAX_FILES:,} files and "
        f"{MAX_BYTES / 1e6:,.0f} MB are the most\n"
        f"the largest is {quoted(largest.name)} with {largest.size / 1e6:,.0f} MB; what .gitignore "
        "names stays here"
    )


def _file(folder: Path, name: str) -> CodeFile | None:
    """None for what is no file: it was deleted, or a program's socket lies there."""
    path = folder / name
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return CodeFile(name, path, 0, link=_link(folder, path))
    if not stat.S_ISREG(found.st_mode):
        return None
    return CodeFile(name, path, found.st_size, executable=bool(found.st_mode & stat.S_IXUSR))


def _link(folder: Path, path: Path) -> str:
    """Where it points to, relative, inside the folder."""
    to = path.readlink()
    if to.is_absolute() or not _inside(folder, path.parent / to):
        name = path.relative_to(folder).as_posix()
        raise ValueError(
            f"the link {quoted(name)} leads out of the folder, to {quoted(str(to))}\n"
            "on the host it would lead to something else: put the file itself there"
        )
    return to.as_posix()


def _inside(folder: Path, path: Path) -> bool:
    lexical = PurePath(os.path.normpath(path)).is_relative_to(os.path.normpath(folder))
    try:
        return lexical and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return lexical


# --- which there are -----------------------------------------------------------------------------


def _names(folder: Path) -> Iterator[str]:
    listed = _known_to_git(folder) or []
    if {"pyproject.toml", "setup.py"} & set(listed):
        return _of_git(folder, listed)
    return _walked(folder, "", _BUILT)


def _of_git(folder: Path, listed: Sequence[str]) -> Iterator[str]:
    for name in listed:
        path = folder / name
        if any(map(_made, PurePath(name).parts)):
            continue
        if path.is_dir() and not path.is_symlink():  # a repository inside
            inner = _known_to_git(path)
            found = _of_git(path, inner) if inner else _walked(path, "", frozenset())
            yield from (f"{name.rstrip('/')}/{each}" for each in found)
        else:
            yield name


def _known_to_git(folder: Path) -> list[str] | None:
    """Tracked, or new and not ignored; None without git or outside a repository."""
    if not any(os.path.lexists(each / ".git") for each in (folder, *folder.parents)):
        return None
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), "ls-files", "-z"]
    try:
        done = subprocess.run(
            [*command, "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return list(dict.fromkeys(os.fsdecode(each) for each in done.stdout.split(b"\0") if each))


def _walked(folder: Path, below: str, leave: frozenset[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _made(entry.name) or entry.name in leave:
                continue
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walked(Path(entry.path), f"{name}/", frozenset())
            else:
                yield name


def _made(name: str) -> bool:
    return name in _MADE_BY_TOOLS or name.endswith(".egg-info")
