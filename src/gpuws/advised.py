"""What this laptop's user was advised once, and is not told again."""

from __future__ import annotations

import contextlib

from gpuws import places


def first_time(about: str) -> bool:
    """Whether it is new; the next time it is not. What cannot be kept here is told again."""
    file = places.state() / "advised"
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if about in known:
        return False
    with contextlib.suppress(OSError):
        places.private(file.parent)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{about}\n")
    return True
