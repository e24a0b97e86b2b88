"""Lines of a file that somebody else wrote: one more, and not a character else."""

from __future__ import annotations

from collections.abc import Sequence


def inserted(lines: list[str], after: int, new: Sequence[str]) -> str:
    """The text with ``new`` behind line ``after`` (0: in front), in the file's own line ends."""
    above = lines[after - 1] if after else (lines or [""])[0]
    end = "\r\n" if above.endswith("\r\n") else "\n"
    if after and not above.endswith("\n"):
        lines = [*lines]
        lines[after - 1] += end
    return "".join([*lines[:after], *(f"{each}{end}" for each in new), *lines[after:]])
