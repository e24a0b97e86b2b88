"""A login that a person had to do something for: how long it stays after its last use."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gpuws.plan import keeping


class PersonWanted(Exception):
    """This login needs a person. Nothing has been asked of them yet, nothing done on the host."""


@dataclass
class Kept:
    """``until``: seconds since the epoch, of a clock that also runs while the laptop sleeps."""

    host: str
    seconds: float
    until: float = 0.0

    def use(self) -> None:
        self.until = time.time() + self.seconds

    def over(self) -> bool:
        return time.time() >= self.until

    def words(self) -> str:
        long = keeping.words(self.seconds)
        return (
            f"stays logged in to {self.host} until {clock(self.until)}, {long} after its last use; "
            f"`gpuws hosts logout {self.host}` ends it"
        )


def clock(moment: float) -> str:
    """The time of day, with the date where that is another."""
    there, now = time.localtime(moment), time.localtime()
    same = there[:3] == now[:3]
    return time.strftime("%H:%M" if same else "%Y-%m-%d %H:%M", there)
