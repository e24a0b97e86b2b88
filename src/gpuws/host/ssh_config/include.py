"""Which files ssh_config is: those that Include names, and what may be read of them."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gpuws.host.here import Here
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood
from gpuws.host.tokens import tilde

DEEPEST = 16  # files around a file
_LARGEST = 4 << 20  # bytes of a file


def included(pattern: str, here: Here, *, own: bool) -> Iterator[Path]:
    """The files of one word of Include, sorted. None is no mistake."""
    if pattern.startswith("~") and not own:
        raise BadLine(f"bad include path {pattern}")
    if "\\" in pattern and not here.windows:
        raise NotUnderstood("a backslash in Include")
    if "[^" in pattern or "[:" in pattern:
        raise NotUnderstood("such a class of characters in Include")
    folder = f"{_shell_home(here)}/.ssh" if own else str(here.system)
    found = glob.glob(_anchored(pattern, folder, here))  # noqa: PTH207 - absolute
    yield from (Path(each) for each in sorted(found, key=os.fsencode))


def _anchored(pattern: str, folder: str, here: Here) -> str:
    if pattern == "~" or pattern.startswith("~/"):
        return _shell_home(here) + pattern[1:]
    if pattern.startswith("~"):
        user = pattern[1:].partition("/")[0]
        return tilde(pattern, here) if here.home_of(user) else pattern
    return pattern if Path(pattern).is_absolute() else f"{folder}/{pattern}"


def _shell_home(here: Here) -> str:
    """Include alone goes by $HOME."""
    return here.environment.get("HOME") or here.home


def opens(path: Path) -> bool:
    try:
        path.open("rb").close()
    except IsADirectoryError:
        return True
    except OSError:
        return False
    return True


def text_of(path: Path) -> str:
    """A folder is an empty file, as for ssh. Raises BadLine, NotUnderstood."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            return ""
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise NotUnderstood(f"{path}: no regular file of at most 4 MiB")
        data = path.read_bytes()
    except OSError as error:
        raise BadLine(f"{path} cannot be read: {error.strerror}") from None
    if b"\0" in data:
        raise NotUnderstood(f"{path}: NUL bytes")
    return data.decode("utf-8", "surrogateescape")
