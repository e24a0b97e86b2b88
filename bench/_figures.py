"""Runs in turns, medians with quartiles, goals, and the Markdown that shows them."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Goal:
    """``measured`` must not be above ``limit``, or not below it (``at_least``); in ``unit``."""

    text: str
    measured: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def runs(doc: str | None, usual: int = 20) -> int:
    """The one option of every benchmark: how many counted runs a side."""
    [count] = several_runs(doc, usual)
    return count


def several_runs(doc: str | None, *usual: int) -> list[int]:
    """As ``runs``, for a benchmark of several sections: the option is for all of them."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    said = ", ".join(map(str, usual))
    parser.add_argument("--runs", type=int, help=f"of each side ({said})")
    chosen: int | None = parser.parse_args().runs
    counts = [each if chosen is None else chosen for each in usual]
    return [max(each, 2) for each in counts]  # quartiles need two


def in_turns(count: int, sides: Mapping[str, Callable[[], float]]) -> Figures:
    """``count`` figures of each side. Each round begins with another side, and the first round,
    which fills caches, is not counted."""
    names = list(sides)
    found: Figures = {name: [] for name in names}
    for each in range(count + 1):
        at = each % len(names)
        for name in names[at:] + names[:at]:
            figure = sides[name]()
            if each:
                found[name].append(figure)
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: round {each} of {count}", file=sys.stderr)
    return found


def took(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds that a command took. It must succeed."""
    begin = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    seconds = time.perf_counter() - begin
    assert done.returncode == 0, (command, done.stderr[-2000:])
    return seconds


def as_installed(env: Mapping[str, str]) -> dict[str, str]:
    """An environment in which modules are compiled once, as they are for every user."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONWARNINGS", "PYTHONUNBUFFERED")
    return {name: value for name, value in env.items() if name not in unwanted}


# --- Markdown -------------------------------------------------------------------------------------


def heading(title: str, count: int, how: str = "in turns") -> None:
    """A section begins: when, how often, on what machine."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    machine = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"paramiko {version('paramiko')}, {openssh()}"
    )
    print(f"## {title}\n")
    print(f"{now}; {count} counted runs of each side, {how}; load average before: {load}.  ")
    print(f"{machine}.\n")


def commands(named: Mapping[str, Sequence[str] | str], hidden: Mapping[str, str]) -> None:
    """What was run. ``hidden``: long paths → the short names that are shown for them."""
    for name, command in named.items():
        text = command if isinstance(command, str) else shlex.join(command)
        for path, short in hidden.items():
            text = text.replace(path, short)
        print(f"- {name}: `{text}`")
    print()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"| {' | '.join(head)} |")
    print("|" + "---|" * len(head))
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def goals(given: Sequence[Goal]) -> None:
    rows = [
        (
            each.text,
            f"{'at least' if each.at_least else 'at most'} {each.limit:.3g} {each.unit}",
            f"{each.measured:.3g} {each.unit}",
            "met" if each.met else "**missed**",
        )
        for each in given
    ]
    table(("goal", "limit", "measured", ""), rows)


def spread(figures: Sequence[float], digits: int = 3) -> str:
    """Median and quartiles."""
    first, middle, third = statistics.quantiles(figures, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({first:.{digits}f}–{third:.{digits}f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(ours) / statistics.median(theirs)


def openssh() -> str:
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.strip()
