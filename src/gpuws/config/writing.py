"""A file of the laptop, written."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """As a whole or not at all, with the rights that it had (``private``: 0600 from its first
    byte on); a link keeps leading to it.

    Raises OSError, and leaves nothing beside it then.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with os.fdopen(os.open(temporary, _NEW, 0o600 if private else 0o666), "wb") as file:
            file.write(content)
        with contextlib.suppress(OSError):
            if not private:
                temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
