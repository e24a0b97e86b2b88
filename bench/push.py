"""Pushing the archives of an environment, against ``scp -r`` and ``tar`` over ssh.

python -m bench.push [--runs N]
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.netlab import SERVER, network
from tests.support.sshd import LOOPBACK, Place, Sshd, running_sshd

from bench import _figures
from bench._figures import Figures, Goal
from bench._proxy import Wire, linked

FILES = 150
FAR = 0.1  # seconds of round trip
NARROW = "100mbit"
_GOAL = 0.8  # of scp's rate


@dataclass(frozen=True)
class Bench:
    """Archives of a laptop, and a server. ``within``: the words that lead to the laptop."""

    folder: Path
    sshd: Sshd
    total: int  # bytes
    within: tuple[str, ...] = ()
    alone: list[float] = field(default_factory=list)  # seconds of each push without its login

    @property
    def source(self) -> Path:
        return self.folder / f"laptop-{self.total}"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def gpuws(self) -> list[str]:
        listing = f"{self.source}.json"
        words = ("-m", "bench._pushing", str(self.sshd.config), self.sshd.alias)
        return [*self.within, sys.executable, *words, str(self.root), listing]

    def scp(self) -> list[str]:
        there = f"{self.sshd.alias}:{self.folder / 'copy'}"
        return [
            *self.within,
            "scp",
            "-q",
            "-r",
            "-F",
            str(self.sshd.config),
            str(self.source),
            there,
        ]

    # --- one run each ----------------------------------------------------------------------------

    def push(self) -> float:
        """Megabytes a second of the whole command, login included."""
        shutil.rmtree(self.root, ignore_errors=True)
        seconds, sent = self._ran()
        assert sent == self.total
        return self.total / seconds / 1e6

    def again(self) -> float:
        """Seconds of the whole command where nothing is missing."""
        seconds, sent = self._ran()
        assert sent == 0
        return seconds

    def copy(self, command: Sequence[str]) -> float:
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        return self.total / _figures.took(command, os.environ) / 1e6

    def tar(self) -> list[str]:
        """For a shell: scp waits some round trips for each file."""
        ssh = shlex.join(["ssh", "-F", str(self.sshd.config), self.sshd.alias])
        there = f"mkdir {self.folder}/copy && tar -C {self.folder}/copy -xf -"
        return ["sh", "-c", f"tar -C {self.source} -cf - . | {ssh} {shlex.quote(there)}"]

    def _ran(self) -> tuple[float, int]:
        begin = time.perf_counter()
        done = subprocess.run(
            self.gpuws(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
        seconds = time.perf_counter() - begin
        assert done.returncode == 0, done.stderr[-2000:]
        said = json.loads(done.stdout)
        if said["sent"]:
            self.alone.append(said["seconds"])
        return seconds, said["sent"]


def main() -> None:
    count = _figures.runs(__doc__, 5)
    with _memory() as folder:
        large, small = _archives(folder, 10**9), _archives(folder, 10**8)
        _figures.heading("Pushing an environment's archives", count)
        _explain()
        with _server(folder / "near") as sshd:
            bench = Bench(folder, sshd, large)
            goals = _section("no delay, no limit", bench, {"scp -r": bench.scp()}, count)
            with linked(sshd.port, Wire(FAR)) as link:
                sshd.put_behind(link.port)
                name = f"a round trip of {FAR * 1e3:.0f} ms, made by one proxy for both"
                bench = Bench(folder, sshd, small)
                goals += _section(name, bench, {"tar over ssh": bench.tar()}, count)
        with _narrow(folder) as bench:
            name = f"two namespaces, `tc tbf` of {NARROW} on the laptop's side"
            bench = replace(bench, total=small)
            goals += _section(name, bench, {"scp -r": bench.scp()}, count)
    _figures.goals(goals)


def _explain() -> None:
    print(f"{FILES} files of random bytes, as unequal as packages are. Both commands log in. Both")
    print("folders are in memory: no disk is measured. gpuws also checks sha256 on the host, which")
    print("the others do not; the host shares this machine's cores with the laptop.\n")


def _section(name: str, bench: Bench, other: Mapping[str, Sequence[str]], count: int) -> list[Goal]:
    """``other``: name → command of what gpuws is compared with."""
    [(theirs, command)] = other.items()
    print(f"### Push: {name}\n")
    _figures.commands({"gpuws": bench.gpuws(), **other}, _short(bench))
    found = _figures.in_turns(
        count, {"gpuws": bench.push, theirs: functools.partial(bench.copy, command)}
    )
    found["gpuws, without its login"] = [bench.total / each / 1e6 for each in bench.alone[1:]]
    _table(bench, found, theirs)
    again = [bench.again() for _ in range(count)]
    print(f"Again, nothing missing: {_figures.spread(again)} s with the login, 0 bytes sent.\n")
    ratio = _figures.ratio(found["gpuws"], found[theirs])
    return [Goal(f"push / {theirs}; {name}", ratio, _GOAL, "×", at_least=True)]


def _table(bench: Bench, found: Figures, theirs: str) -> None:
    size = f"{bench.total / 1e6:.0f}"
    rows = [
        (name, size, _figures.spread(each, 1), f"{_figures.ratio(each, found[theirs]):.2f}")
        for name, each in found.items()
    ]
    _figures.table(("command", "MB", "MB/s, median (quartiles)", f"ratio to {theirs}"), rows)


def _short(bench: Bench) -> Mapping[str, str]:
    return {
        str(bench.sshd.config): "CONFIG",
        str(bench.folder) + "/": "",
        bench.sshd.alias: "HOST",
        str(Path(sys.executable).parent) + "/": "",
    } | dict.fromkeys(bench.within[-1:], "LAPTOP")


# --- the places -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _memory() -> Iterator[Path]:
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="g-", dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _archives(folder: Path, total: int) -> int:
    """Files of these many bytes together, nearly; how many it became."""
    chance = random.Random(1)
    shares = [chance.expovariate(1) for _ in range(FILES)]
    made = [os.urandom(int(each / sum(shares) * total)) for each in shares]
    size = sum(map(len, made))
    source = folder / f"laptop-{size}"
    source.mkdir()
    listed = []
    for at, data in enumerate(made):
        path = source / f"package{at}-1.0-h{at:07x}_0.conda"
        path.write_bytes(data)
        listed.append((str(path), hashlib.sha256(data).hexdigest(), len(data)))
    Path(f"{source}.json").write_text(json.dumps(listed))
    return size


def _server(folder: Path, place: Place = LOOPBACK) -> contextlib.AbstractContextManager[Sshd]:
    return running_sshd(folder, ["Subsystem sftp internal-sftp"], home=folder, place=place)


@contextlib.contextmanager
def _narrow(folder: Path) -> Iterator[Bench]:
    with network(folder) as lab:
        place = Place(SERVER, within=lab.on_server())
        with _server(folder / "narrow", place) as sshd:
            lab.laptop.narrow(NARROW)
            yield Bench(folder, sshd, 0, lab.laptop.command())


if __name__ == "__main__":
    main()
