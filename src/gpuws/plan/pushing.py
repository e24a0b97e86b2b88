"""What of an environment's archives must go to the host, and how the way there is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gpuws.plan.ports import FAR

_LANES, _LANES_FAR = 2, 4


@dataclass(frozen=True)
class Held:
    """What a host said of a list of archives, each by its place in the list from 0."""

    whole: frozenset[int]
    parts: Mapping[int, int]  # bytes of those that a cut left
    free: int | None  # bytes of the disk; None: it does not say


def held_from(answers: Mapping[str, list[str]], sizes: Sequence[int]) -> Held:
    """From the answers of held.sh; what makes no sense counts as not said."""
    numbered = [each.split(" ") for each in answers.get("part", ())]
    parts = {
        int(words[0]) - 1: int(words[1])
        for words in numbered
        if len(words) == 2 and all(map(_is_number, words))
    }
    said = [int(each) - 1 for each in answers.get("have", ()) if _is_number(each)]
    free = answers.get("free", [""])[-1]
    return Held(
        frozenset(each for each in said if 0 <= each < len(sizes)),
        {at: n for at, n in parts.items() if 0 <= at < len(sizes) and 0 < n <= sizes[at]},
        int(free) << 10 if _is_number(free) else None,
    )


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 18


def lanes(distance: float, archives: int) -> int:
    """Sessions that send side by side; ``distance``: seconds of a round trip.

    An OpenSSH server takes 2 MiB ahead in each session: 20 MB/s at 100 ms. Nearby a second one
    sends while the host is between two archives of the first: tried, 1.05 to 1.5 times as fast.
    """
    return min(_LANES_FAR if distance > FAR else _LANES, max(archives, 1))


# --- words ----------------------------------------------------------------------------------------


def line(done: int, count: int, sent: int, total: int, rate: float) -> str:
    """Where it is: archives, bytes (``total`` 0: unknown), bytes a second.

    What had to be sent twice is in ``sent`` twice: it may be more than was thought.
    """
    text = f"packages {min(done, count)} of {count}, "
    text += f"{amount(min(sent, total))} of {amount(total)}" if total else amount(sent)
    if rate > 0:
        text += f", {amount(int(rate))}/s"
    if rate > 0 and total:
        text += f", {_span(max(total - sent, 0) / rate)} left"
    return text


def amount(size: int) -> str:
    """Bytes in the unit that people read."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}" if unit == 10**9 else f"{size / unit:.0f} {name}"
    return f"{size} bytes"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
