"""What the background keeper takes of the laptop, beside `ssh -N -L`: memory, and CPU when idle."""

from __future__ import annotations

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from bench import _ends, _figures, _forwards, _lab
from bench._figures import Figures, Goal
from bench._forwards import Forward, Opened
from bench._processes import cpu_of, memory_of, peak_of

CONNECTIONS = 50  # open at the same time
SIZE = 20 << 20  # bytes through each of them: 1.05 GB together
IDLE = 30.0  # seconds of a look at an idle forward
SETTLE = 3.0  # seconds from the first answer to the first look
WATCH = 3.0  # seconds in which a stalled reader's data may pile up
_FILE = "kernelspecs/python3/blob.bin"  # Jupyter streams the files of a kernel's folder
_ALIVE = ("-o", "ServerAliveInterval=5")  # gpuws asks as often whether the host is there
_MIB = 1 << 20
_STALLED = f"""\
A client, a process of its own, asks for a file of {SIZE / _MIB:.0f} MiB, waits for its answer to
begin and never reads; then a second one does the same. Pss of the process that carries the forward:
the most of the {WATCH:.0f} s after each, less what it was before. The forward is a new one each
time and has answered a small question. What the kernel's own socket buffers hold is no process's
memory.
"""
_WINDOW = """\
ssh lets 2 MiB of a channel be under way and keeps in its own memory what nobody takes; the keeper
opens a channel's window as far as its reader takes the data.
"""


def main() -> None:
    peak, idle, stalled = _figures.several_runs(__doc__, 3, 10, 20)
    with _lab.lab() as bench:
        folder = bench.workspace / "jupyter/data/kernels/python3"
        (folder / "blob.bin").write_bytes(bytes(SIZE))
        _peaks(bench, peak)
        _stalled(bench, stalled)
        _idle(bench, idle)


def _both(bench: _lab.Bench, *options: str) -> dict[str, Opened]:
    """``options``: ssh's."""
    return {
        "keeper": functools.partial(_forwards.keeper, bench),
        "ssh -N -L": functools.partial(_forwards.ssh, bench, "near", *options),
    }


def _say_commands(bench: _lab.Bench, *options: str) -> None:
    ours = _forwards.attach(bench, "HOST", "PORT")
    theirs = _forwards.by_hand(bench, "HOST", "PORT", *options)
    _figures.commands({"gpuws": ours, "by hand": theirs}, bench.short)


# --- memory under load ----------------------------------------------------------------------------


def _peaks(bench: _lab.Bench, count: int) -> None:
    _figures.heading("Memory of the keeper", count)
    print(f"{CONNECTIONS} connections are open while {SIZE * CONNECTIONS / 1e9:.2f} GB come from")
    print("Jupyter: through all of them at once, or through one after the other. VmHWM of the")
    print("process that carries the forward.\n")
    _say_commands(bench)
    rest: dict[str, list[float]] = {name: [] for name in _both(bench)}
    sides: dict[str, Callable[[], float]] = {
        f"{name}, {how}": functools.partial(_peak, bench, opened, at_once, rest[name])
        for name, opened in _both(bench).items()
        for how, at_once in (("all at once", CONNECTIONS), ("one by one", 1))
    }
    _show_peaks(_figures.in_turns(count, sides), rest["keeper"])


def _peak(bench: _lab.Bench, opened: Opened, at_once: int, rest: list[float]) -> float:
    """MB (10⁶ bytes). ``rest`` gets the peak before the load."""
    with opened() as forward:
        rest.append(peak_of(forward.pid) / 1e6)
        _load(bench, forward.port, at_once)
        return peak_of(forward.pid) / 1e6


def _load(bench: _lab.Bench, port: int, at_once: int) -> None:
    known = bench.address()
    assert known is not None
    base_url, token = known

    def one(link: HTTPConnection) -> int:
        link.request("GET", base_url + _FILE, headers={"Authorization": f"token {token}"})
        answer = link.getresponse()
        assert answer.status == 200, answer.status
        got = 0
        while block := answer.read(1 << 16):
            got += len(block)
        return got

    links = [HTTPConnection("127.0.0.1", port, timeout=120) for _ in range(CONNECTIONS)]
    for link in links:
        link.connect()
    with ThreadPoolExecutor(at_once) as pool:
        assert sum(pool.map(one, links)) == SIZE * CONNECTIONS
    for link in links:
        link.close()


def _show_peaks(figures: Figures, rest: list[float]) -> None:
    rows = [("keeper, connected and idle", _figures.spread(rest, 1), "")]
    for name, found in figures.items():
        base = figures[f"ssh -N -L{name[name.index(',') :]}"]
        rows.append((name, _figures.spread(found, 1), f"{_figures.ratio(found, base):.1f}"))
    _figures.table(("process", "VmHWM, MB", "ratio to ssh -N -L"), rows)
    _figures.goals(
        [
            Goal(f"peak memory of the {name}", statistics.median(found), 60.0, "MB")
            for name, found in figures.items()
            if name.startswith("keeper")
        ]
    )


# --- a reader that stalls -------------------------------------------------------------------------


def _stalled(bench: _lab.Bench, count: int) -> None:
    _figures.heading("Memory for a stalled reader", count)
    print(_STALLED)
    _say_commands(bench)
    second: Figures = {name: [] for name in _both(bench)}
    sides: dict[str, Callable[[], float]] = {
        name: functools.partial(_added, bench, opened, second[name])
        for name, opened in _both(bench).items()
    }
    first = _figures.in_turns(count, sides)
    _show_stalled(first, {name: found[1:] for name, found in second.items()})


def _added(bench: _lab.Bench, opened: Opened, second: list[float]) -> float:
    """MiB for the first reader; ``second`` gets those for the other one."""
    with opened() as forward:
        _settle(bench, forward)
        before = memory_of(forward.pid)
        with _stalled_reader(bench, forward.port):
            one = _most(forward.pid)
            with _stalled_reader(bench, forward.port):
                two = _most(forward.pid)
    second.append((two - one) / _MIB)
    return (one - before) / _MIB


@contextlib.contextmanager
def _stalled_reader(bench: _lab.Bench, port: int) -> Iterator[None]:
    path = bench.record()["base_url"] + _FILE
    with _ends.end("stalled", str(port), path, str(bench.workspace / "token")) as status:
        assert status == 200, status
        yield


def _most(pid: int) -> int:
    """Bytes."""
    most, until = 0, time.perf_counter() + WATCH
    while time.perf_counter() < until:
        most = max(most, memory_of(pid))
        time.sleep(0.05)
    return most


def _show_stalled(first: Figures, second: Figures) -> None:
    rows = [
        (name, _figures.spread(first[name], 2), _figures.spread(second[name], 2)) for name in first
    ]
    _figures.table(("process", "MiB for the first reader", "MiB for the second"), rows)
    medians = [list(map(statistics.median, each.values())) for each in (first, second)]
    if any(theirs > 2 * ours for ours, theirs in medians):
        print(_WINDOW)
    text = "memory that a stalled reader adds to the keeper"
    _figures.goals([Goal(text, medians[0][0], 1.0, "MiB")])


def _settle(bench: _lab.Bench, forward: Forward) -> None:
    """It has answered once, and has done what it does after that."""
    _lab.until_200(forward.port, bench.address, time.perf_counter())
    time.sleep(SETTLE)


# --- nothing to do --------------------------------------------------------------------------------


def _idle(bench: _lab.Bench, count: int) -> None:
    _figures.heading("CPU of the keeper when idle", count, "side by side")
    print(f"One forward is open and nothing is asked for {IDLE:.0f} s, again and again: user and")
    print("system time of the process that carries it, in % of one core. Linux counts in steps of")
    print(f"10 ms, which is {1 / IDLE:.2f} %.\n")
    _say_commands(bench, *_ALIVE)
    figures = _looks(bench, count)
    rows = [(name, _figures.spread(found)) for name, found in figures.items()]
    _figures.table(("process", "% of one core, median (quartiles)"), rows)
    measured = statistics.median(figures["keeper"])
    _figures.goals([Goal("CPU of the idle keeper", measured, 1.0, "% of a core")])


def _looks(bench: _lab.Bench, count: int) -> Figures:
    """Idle processes do not disturb one another: both are looked at in the same seconds."""
    ours, theirs = _both(bench, *_ALIVE).items()
    with ours[1]() as keeper, theirs[1]() as ssh:
        forwards = {ours[0]: keeper, theirs[0]: ssh}
        for forward in forwards.values():
            _settle(bench, forward)
        looks = [_look(forwards) for _ in range(count)]
    return {name: [each[name] for each in looks] for name in forwards}


def _look(forwards: dict[str, Forward]) -> dict[str, float]:
    before = {name: cpu_of(forward.pid) for name, forward in forwards.items()}
    begin = time.perf_counter()
    time.sleep(IDLE)
    seconds = time.perf_counter() - begin
    return {
        name: (cpu_of(forward.pid) - before[name]) / seconds * 100
        for name, forward in forwards.items()
    }


if __name__ == "__main__":
    main()
