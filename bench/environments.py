"""Environments: unchanged, shared, from a lock; beside the tool's own `create` from the file."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import micromamba
from tests.support.conda_channel import make_channel, serve
from tests.support.conda_package import File, Package
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.sshd import free_port

from bench import _figures
from bench._figures import Figures, Goal
from bench._lab import Bench

PACKAGES, FILES, BYTES = 150, 40_000, 1 << 30  # of the environment; the index has more
LISTED = 50_000  # records of the index that no file asks for
_WHAT = f"""\
The channel is made for this run and served over http on loopback by Python: {PACKAGES} packages
with {FILES:,} files and {BYTES >> 20} MB of random bytes (archives are as large), and {LISTED:,}
more records in the index, a twentieth of conda-forge's. "micromamba" is not the real one, which
cannot be had here: it is the tests' stand-in, py-rattler behind micromamba's command line, for
gpuws and by hand alike. What a lock spares is fetching and reading the index and solving, which is
some tenths of a second here; and the stand-in is slower from a list than from a file, for reasons
of its own. What gpuws adds to the tool is the last ratio. The goals against the file cannot be
judged without a real tool and a real channel, and are shown as they came out.
"""


@dataclass(frozen=True)
class Side:
    bench: Bench
    cache: Path  # the tool's packages on the host

    def cold(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def without_environments(self) -> None:
        self.bench.run(self.bench.gpuws("down", "gpubox", "--all", "--purge", "--yes"))
        self.bench.run(self.bench.gpuws("env", "gc", "gpubox", "--earlier", "--yes"))

    def up(self, name: str, *more: str) -> dict[str, float]:
        """The parts of it, and the wall clock of the whole command as ``wall``."""
        words = ("--json", "up", f"gpubox/{name}", "--no-jupyter", *more)
        begin = time.perf_counter()
        out = self.bench.run(self.bench.gpuws(*words))
        wall = time.perf_counter() - begin
        return {**json.loads(out)["data"]["timings"], "wall": wall}

    def by_hand(self, file: str) -> list[str]:
        home = self.bench.made.home
        words = ["micromamba", "create", "-y", "-p", f"{home}/hand", "-f", f"{home}/{file}"]
        return self.bench.ssh("gpubox", " ".join(words))


def main() -> None:
    count = _figures.runs(__doc__, 5)
    with _laboratory() as side:
        bench = side.bench
        _figures.heading("Environments", count)
        print(_WHAT)
        _figures.commands(
            {
                "from the lock": bench.gpuws("up", "gpubox/NAME", "--no-jupyter", "--locked"),
                "by hand, from the file": side.by_hand("environment.yml"),
                "by hand, from the lock's list": side.by_hand("explicit.txt"),
            },
            bench.short,
        )
        shared, unchanged, probe = _second(side, count)
        sides: dict[str, Callable[[], float]] = {}
        for cache in ("cold", "warm"):
            cold = cache == "cold"
            sides[f"lock {cache}"] = _locked(side, cold=cold)
            sides[f"file {cache}"] = _by_hand(side, "environment.yml", cold=cold)
            sides[f"list {cache}"] = _by_hand(side, "explicit.txt", cold=cold)
        figures = _figures.in_turns(count, sides)
    _show(figures, shared, unchanged, probe)


@contextmanager
def _laboratory() -> Iterator[Side]:
    with short_folder() as folder:
        print("making a channel of 1 GB", file=sys.stderr)
        channel = make_channel(folder / "channel", extra=tuple(_packages()))
        _more_records(folder / "channel", channel.subdir)
        tool = micromamba.install(folder / "bin")
        cache = folder / "pkgs"
        env = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "CONDA_PKGS_DIRS": str(cache)}
        with serve(channel) as served, running_lab(folder, env=env) as made:
            made.laptop.hosts(f"hosts:\n  gpubox:\n    local_port: {free_port()}\n")
            _declare(made, served.url, channel.pythons[-1])
            side = Side(Bench(made, folder, {}), cache)
            side.bench.run(side.bench.gpuws("env", "lock", "gpubox", "--no-jupyter"))
            yield side


def _packages() -> Iterator[Package]:
    """Each with its share of files and bytes; the last one needs all others."""
    random.seed(1)
    each = FILES // PACKAGES
    for number in range(PACKAGES):
        files = tuple(
            File(f"share/big{number}/{index}", random.randbytes(BYTES // FILES))
            for index in range(each)
        )
        yield Package(f"big{number}", "1.0", files=files, form=".conda")
    needs = tuple(f"big{number}" for number in range(PACKAGES))
    yield Package("everything", "1.0", depends=needs, noarch="generic")


def _more_records(folder: Path, subdir: str) -> None:
    path = folder / subdir / "repodata.json"
    repodata = json.loads(path.read_text())
    record = {
        "build": "h0123456_0",
        "build_number": 0,
        "depends": ["python >=3.11,<3.12.0a0", "libstdcxx >=13", "libgcc >=13", "numpy >=1.21,<3"],
        "md5": "0" * 32,
        "sha256": "0" * 64,
        "size": 1000,
        "subdir": subdir,
        "version": "1.0",
    }
    for number in range(LISTED):
        name = f"unrelated{number % 3000}"
        version = f"1.{number // 3000}"
        file = f"{name}-{version}-h0123456_0.conda"
        repodata["packages.conda"][file] = {**record, "name": name, "version": version}
    path.write_text(json.dumps(repodata))


def _declare(made: Lab, url: str, python: str) -> None:
    text = f"channels: [{url}]\ndependencies:\n  - python={python}\n  - everything\n"
    made.laptop.write("environment.yml", text)
    (made.home / "environment.yml").write_text(text)


def _second(side: Side, count: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of: another workspace with the same lock, an unchanged file, the probe."""
    side.up("first", "--locked")
    [listed] = side.bench.made.root.glob("builds/*/explicit.txt")
    shutil.copy(listed, side.bench.made.home)
    shared, unchanged, probe = [], [], []
    for number in range(max(count, 20)):
        shared.append(side.up(f"second{number}", "--locked")["environment_s"])
        again = side.up(f"second{number}", "--locked")
        unchanged.append(again["environment_s"])
        probe.append(again["probe_s"])
    side.without_environments()
    return shared, unchanged, probe


def _locked(side: Side, *, cold: bool) -> Callable[[], float]:
    def once() -> float:
        side.without_environments()
        if cold:
            side.cold()
        return side.up("first", "--locked")["wall"]

    return once


def _by_hand(side: Side, file: str, *, cold: bool) -> Callable[[], float]:
    def once() -> float:
        shutil.rmtree(side.bench.made.home / "hand", ignore_errors=True)
        if cold:
            side.cold()
        begin = time.perf_counter()
        side.bench.run(side.by_hand(file))
        return time.perf_counter() - begin

    return once


def _show(
    figures: Figures, shared: list[float], unchanged: list[float], probe: list[float]
) -> None:
    rows, goals = [], []
    for cache, limit in (("cold", 0.6), ("warm", 0.4)):
        ours, theirs, listed = (figures[f"{each} {cache}"] for each in ("lock", "file", "list"))
        found = _figures.ratio(ours, theirs)
        same = f"{_figures.ratio(ours, listed):.2f}"
        spreads = map(_figures.spread, (ours, theirs, listed))
        rows.append((cache, *spreads, f"{found:.2f}", same))
        goals.append(Goal(f"from the lock / from the file, {cache}", found, limit, "×"))
    by_hand = ("by hand from the file, s", "by hand from the lock's list, s")
    ratios = ("gpuws / from the file", "gpuws / from the list")
    _figures.table(("package cache", "gpuws up from the lock, s", *by_hand, *ratios), rows)
    rows = [
        ("another workspace with the same lock", _figures.spread(shared)),
        ("an unchanged file", _figures.spread(unchanged)),
        ("the probe, for comparison", _figures.spread(probe)),
    ]
    _figures.table(("environment part of up", "s"), rows)
    first = figures["lock cold"]
    goals.append(Goal("second workspace / first", _figures.ratio(shared, first), 0.1, "×"))
    goals.append(Goal("unchanged file / probe", _figures.ratio(unchanged, probe), 1.0, "×"))
    _figures.goals(goals)


if __name__ == "__main__":
    main()
