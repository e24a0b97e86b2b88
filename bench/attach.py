"""A warm `gpuws attach -d` until the first authenticated HTTP 200, beside `ssh -N -L`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tests.support.sshd import free_port

from bench import _figures, _lab
from bench._figures import Goal

Documents = dict[str, list[dict[str, Any]]]


def main() -> None:
    count = _figures.runs(__doc__)
    with _lab.lab() as bench:
        _figures.heading("A warm attach", count)
        _figures.commands(_commands(bench), bench.short)
        told: Documents = defaultdict(list)
        sides: dict[str, Callable[[], float]] = {
            "interpreter": lambda: _figures.took([sys.executable, "-c", "pass"], bench.env)
        }
        for host in _lab.ROUND_TRIPS:
            sides |= _sides(bench, host, told)
        figures = _figures.in_turns(count, sides)
    _show(figures, told)


def _commands(bench: _lab.Bench) -> dict[str, list[str]]:
    return {
        "gpuws, no keeper": _attach(bench, "HOST", "PORT"),
        "gpuws, with a live keeper": _attach(bench, "HOST"),
        "by hand": _forward(bench, "HOST", "PORT"),
        "interpreter": [sys.executable, "-c", "pass"],
    }


def _attach(bench: _lab.Bench, host: str, port: str = "") -> list[str]:
    where = ("--local-port", port) if port else ()
    return bench.gpuws("--json", "attach", "-d", f"{host}/{_lab.NAME}", *where)


def _forward(bench: _lab.Bench, host: str, port: str) -> list[str]:
    return bench.ssh("-N", "-L", f"{port}:{bench.jupyter}", host)


def _sides(bench: _lab.Bench, host: str, told: Documents) -> dict[str, Callable[[], float]]:
    def cold() -> float:
        bench.end_keepers()
        port = free_port()
        begin = time.perf_counter()
        process = bench.start(_attach(bench, host, str(port)))
        seconds = _lab.until_200(port, bench.address, begin, process)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        told[host].append(json.loads(out)["data"])
        return seconds

    def live() -> float:
        """The whole command: the port is open already, so a 200 says nothing about it."""
        bench.end_keepers()
        bench.run(_attach(bench, host))
        seconds = _figures.took(_attach(bench, host), bench.env)
        bench.end_keepers()
        return seconds

    def hand() -> float:
        port = free_port()
        begin = time.perf_counter()
        process = subprocess.Popen(_forward(bench, host, str(port)), stdin=subprocess.DEVNULL)
        try:
            return _lab.until_200(port, bench.address, begin)
        finally:
            process.terminate()
            process.wait(10)

    return {f"attach {host}": cold, f"live {host}": live, f"ssh {host}": hand}


def _show(figures: _figures.Figures, told: Documents) -> None:
    middle = {name: statistics.median(found) for name, found in figures.items()}
    rows = [("interpreter alone", "–", _figures.spread(figures["interpreter"]), "", "", "")]
    for host, rtt in _lab.ROUND_TRIPS.items():
        hand = figures[f"ssh {host}"]
        for name, what in (("attach", "attach, no keeper"), ("live", "attach, live keeper")):
            ours = figures[f"{name} {host}"]
            rows.append(
                (
                    what,
                    f"{rtt * 1e3:.0f} ms",
                    _figures.spread(ours),
                    _figures.spread(hand),
                    f"{_figures.ratio(ours, hand):.2f}",
                    f"{statistics.median(ours) - statistics.median(hand):+.3f}",
                )
            )
    head = ("what", "round trip", "gpuws, s", "ssh -N -L, s", "ratio", "difference, s")
    _figures.table(head, rows)
    _figures.table(
        ("what", "round trips of 100 ms in it", "of them after the login, by --json"),
        [
            ("gpuws attach", f"{_trips(middle, 'attach'):.1f}", _said(told)),
            ("gpuws attach, live keeper", f"{_trips(middle, 'live'):.1f}", ""),
            ("ssh -N -L", f"{_trips(middle, 'ssh'):.1f}", ""),
        ],
    )
    _figures.table(("part, by --json", "0 ms, s", "100 ms, s"), _parts(told))
    over = middle["live near"] - middle["interpreter"]
    _figures.goals(
        [
            Goal(
                "attach / ssh -N -L at 100 ms", middle["attach far"] / middle["ssh far"], 1.2, "×"
            ),
            Goal(
                "attach − ssh -N -L at 0 ms", middle["attach near"] - middle["ssh near"], 0.5, "s"
            ),
            Goal("attach with a live keeper − interpreter, at 0 ms", over, 0.3, "s"),
        ]
    )


def _trips(middle: dict[str, float], name: str) -> float:
    wire = _lab.ROUND_TRIPS["far"] - _lab.ROUND_TRIPS["near"]
    return (middle[f"{name} far"] - middle[f"{name} near"]) / wire


def _said(told: Documents) -> str:
    return ", ".join(sorted({str(each["round_trips"]) for each in told["far"]}))


def _parts(told: Documents) -> list[tuple[str, str, str]]:
    return [
        (part, *(_figures.spread([each["timings"][part] for each in told[host]]) for host in told))
        for part in told["far"][0]["timings"]
    ]


if __name__ == "__main__":
    main()
