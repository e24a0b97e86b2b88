"""Seconds from the end of an outage until a page loads again, beside a loop around `ssh -N -L`.

    python -m bench.healing                             # 200 outages of 1 to 60 s: some 15 minutes
    python -m bench.healing --runs 24 --longest 10      # a quick look

An outage is a black hole in a proxy: nothing is acknowledged, not even a new connection. Both sides
of a lane go through the same proxy to the same sshd, so each outage is the same for both; the lanes
run side by side. From the heal on, a new connection asks JupyterLab every 50 ms (each waits for its
answer up to a second) until the first 200.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import random
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.door import Door
from tests.support.fault_link import may_lose
from tests.support.fault_proxy import FaultProxy
from tests.support.laptop import Laptop
from tests.support.sshd import Sshd, free_port, running_sshd

from bench import _figures, _lab
from bench._figures import Goal

OURS, LOOP = "gpuws", "ssh in a loop"
PATIENCE = 90.0  # seconds after the heal; what takes longer is counted as that, and said
POLL = 0.05  # seconds between the beginnings of two questions
ANSWER = 1.0  # seconds that one question waits
CALM = 2.0  # seconds between two outages of a lane, both sides working


@dataclass(frozen=True)
class Lane:
    """One proxy with both sides behind it."""

    proxy: FaultProxy
    laptop: Laptop
    doors: dict[str, Door]

    def attach(self) -> None:
        port = str(self.doors[OURS].port)
        self.laptop.ok("attach", f"gpubox/{_lab.NAME}", "-d", "--local-port", port)


@dataclass(frozen=True)
class Outage:
    """``back``: seconds from the heal, for each side; PATIENCE where it did not come back."""

    seconds: float
    back: dict[str, float]


def main() -> None:
    options = _options()
    if not may_lose():
        raise SystemExit("bench/healing: only root may make a black hole here; run it as root")
    with _lab.lab() as bench, contextlib.ExitStack() as stack:
        lanes = [
            stack.enter_context(_lane(bench, bench.folder / f"lane{number}"))
            for number in range(min(options.lanes, options.runs))
        ]
        _figures.heading("Healing", options.runs, "side by side")
        command = _loop("CONFIG", "PORT", bench.jupyter, "gpubox")
        attach = f"gpuws attach -d gpubox/{_lab.NAME}"
        _figures.commands({OURS: attach, LOOP: command}, bench.short)
        _show(_measure(lanes, _durations(options)), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=200, help="outages (200)")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of an outage (60)")
    parser.add_argument("--lanes", type=int, default=16, help="outages at the same time (16)")
    parser.add_argument("--seed", type=int, default=1, help="of their order (1)")
    options = parser.parse_args()
    options.runs = max(options.runs, 2)
    return options


def _durations(options: argparse.Namespace) -> list[float]:
    """Evenly from 1 s to the longest, in an order by chance."""
    step = (options.longest - 1) / (options.runs - 1)
    found = [1 + step * number for number in range(options.runs)]
    random.Random(options.seed).shuffle(found)
    return found


# --- a lane ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _lane(bench: _lab.Bench, folder: Path) -> Iterator[Lane]:
    folder.mkdir()
    known = bench.address()
    assert known is not None
    with (
        running_sshd(folder / "s", home=bench.made.home) as server,
        FaultProxy(("127.0.0.1", server.port)) as proxy,
    ):
        server.put_behind(proxy.port)
        doors = {name: Door(free_port(), *known) for name in (OURS, LOOP)}
        lane = Lane(proxy, Laptop(folder / "l", server), doors)
        with _ssh_in_a_loop(server, doors[LOOP].port, bench.jupyter):
            try:
                lane.attach()
                doors[LOOP].seconds_until_it_works()
                yield lane
            finally:
                lane.laptop.end()


def _loop(config: str, port: str, target: str, host: str) -> str:
    """What people write who do without autossh."""
    options = "-o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o ExitOnForwardFailure=yes"
    ssh = f"ssh -F {config} -N -L {port}:{target} {options} {host}"
    return f"while true; do {ssh}; sleep 1; done"


@contextlib.contextmanager
def _ssh_in_a_loop(server: Sshd, port: int, target: str) -> Iterator[None]:
    config = shlex.quote(str(server.config))
    command = _loop(config, str(port), shlex.quote(target), server.alias)
    with (server.folder / "loop.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the group that this call started
        process.wait()


# --- outages --------------------------------------------------------------------------------------


def _measure(lanes: Sequence[Lane], durations: Sequence[float]) -> list[Outage]:
    """Each lane takes the next outage as soon as it is through with one."""
    waiting: queue.SimpleQueue[float] = queue.SimpleQueue()
    for seconds in durations:
        waiting.put(seconds)
    found: list[Outage] = []
    lock = threading.Lock()

    def work(lane: Lane) -> None:
        while True:
            try:
                seconds = waiting.get_nowait()
            except queue.Empty:
                return
            outage = _suffer(lane, seconds)
            with lock:
                found.append(outage)
                _tell(outage, len(found), len(durations))

    with ThreadPoolExecutor(len(lanes)) as pool:
        for done in [pool.submit(work, lane) for lane in lanes]:
            done.result()
    return found


def _suffer(lane: Lane, seconds: float) -> Outage:
    lane.proxy.dark = True
    time.sleep(seconds)
    begin = time.perf_counter()
    lane.proxy.heal()
    with ThreadPoolExecutor(len(lane.doors)) as pool:
        waits = {name: pool.submit(_until_200, door, begin) for name, door in lane.doors.items()}
        outage = Outage(seconds, {name: wait.result() for name, wait in waits.items()})
    if outage.back[OURS] >= PATIENCE:
        lane.attach()
    if outage.back[LOOP] >= PATIENCE:
        lane.doors[LOOP].seconds_until_it_works(PATIENCE)
    time.sleep(CALM)
    return outage


def _until_200(door: Door, begin: float) -> float:
    while (asked := time.perf_counter()) < begin + PATIENCE:
        if door.works(ANSWER):
            return time.perf_counter() - begin
        time.sleep(max(0.0, asked + POLL - time.perf_counter()))
    return PATIENCE


def _tell(outage: Outage, number: int, count: int) -> None:
    back = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in outage.back.items())
    print(f"outage {number} of {count}: {outage.seconds:.0f} s; back: {back}", file=sys.stderr)


# --- what came of it ------------------------------------------------------------------------------


def _show(outages: Sequence[Outage], options: argparse.Namespace) -> None:
    figures = {name: [each.back[name] for each in outages] for name in (OURS, LOOP)}
    print(f"Outages of 1 to {options.longest:.0f} s; seconds from the heal to the first 200.\n")
    rows = []
    for name, found in figures.items():
        lost = sum(seconds >= PATIENCE for seconds in found)
        rows.append((name, *(f"{_percentile(found, p):.2f}" for p in (50, 90, 99)), str(lost)))
    head = ("side", "p50, s", "p90, s", "p99, s", f"not within {PATIENCE:.0f} s")
    _figures.table(head, rows)
    ours = figures[OURS]
    _figures.goals(
        [
            Goal("seconds after the heal, p50", _percentile(ours, 50), 2.0, "s"),
            Goal("seconds after the heal, p99", _percentile(ours, 99), 10.0, "s"),
        ]
    )


def _percentile(found: Sequence[float], which: int) -> float:
    return statistics.quantiles(found, n=100, method="inclusive")[which - 1]


if __name__ == "__main__":
    main()
