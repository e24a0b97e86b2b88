"""`gpuws up -d` with the environment there, until the first HTTP 200, beside the same by hand."""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tests.support.sshd import free_port

from bench import _figures, _lab
from bench._figures import Goal

Documents = dict[str, list[dict[str, Any]]]
_EXTRA_TRIPS = 4  # round trips that `up` may take more
_WHY = """\
gpuws starts JupyterLab by a file of its own (docs/decisions/0006), which spares it from building a
grammar that no schema of Jupyter's needs and, where Node is in PATH, from running Node; by hand
both are done. With that file by hand too, what is left is what gpuws itself takes.
"""


def main() -> None:
    count = _figures.runs(__doc__)
    with _lab.lab() as bench:
        prefix = bench.record()["prefix"]
        start = _start_file(bench)
        down(bench, "near")
        _figures.heading("up with the environment there", count)
        _figures.commands(
            {
                "gpuws": _up(bench, "HOST", "PORT"),
                "by hand, first": by_hand(bench, "HOST", prefix),
                "by hand, then": _forward_by_hand(bench, "HOST", "PORT"),
                "by hand, with our start file, first": by_hand(bench, "HOST", prefix, start),
            },
            bench.short,
        )
        told: Documents = defaultdict(list)
        sides: dict[str, Callable[[], float]] = {}
        for host in _lab.ROUND_TRIPS:
            sides |= {f"up {host}": _ours(bench, host, told)}
            sides |= {f"hand {host}": _hand(bench, host, by_hand(bench, host, prefix))}
            started = by_hand(bench, host, prefix, start)
            sides |= {f"started {host}": _hand(bench, host, started)}
        figures = _figures.in_turns(count, sides)
    _show(figures, told)


def _up(bench: _lab.Bench, host: str, port: str) -> list[str]:
    return bench.gpuws("--json", "up", host, "--name", _lab.NAME, "-d", "--local-port", port)


def down(bench: _lab.Bench, host: str) -> None:
    bench.run(bench.gpuws("down", f"{host}/{_lab.NAME}", "--yes"))
    bench.end_keepers()


def _start_file(bench: _lab.Bench) -> str:
    """A copy of the file by which the workspace starts JupyterLab: `down` removes that one."""
    text = (bench.workspace / "jupyter/config/jupyterlab").read_text()
    copy = bench.made.home / "start/jupyterlab"
    copy.parent.mkdir()
    copy.write_text(text)
    return str(copy)


def by_hand(bench: _lab.Bench, host: str, prefix: str, start: str = "-m jupyterlab") -> list[str]:
    """tmux on a socket of its own and Jupyter on a Unix socket, with the options gpuws gives."""
    home = bench.made.home
    jupyter = [
        *(f"{prefix}/bin/python", *start.split(), f"--ServerApp.sock={home}/hand.sock"),
        *("--ServerApp.port=8888", "--no-browser", "--allow-root"),
        *("--ServerApp.base_url=/", f"--ServerApp.root_dir={home}/hand"),
    ]
    tmux = [
        *("tmux", "-S", f"{home}/hand.tmux", "-f", "/dev/null", "new-session", "-d", "-s", "hand"),
        *("-e", "JUPYTER_TOKEN=by-hand", shlex.join(jupyter)),
    ]
    return bench.ssh(host, shlex.join(tmux))


def _forward_by_hand(bench: _lab.Bench, host: str, port: str) -> list[str]:
    return bench.ssh("-N", "-L", f"{port}:{bench.made.home}/hand.sock", host)


def _ours(bench: _lab.Bench, host: str, told: Documents) -> Callable[[], float]:
    def once() -> float:
        port = free_port()
        begin = time.perf_counter()
        process = bench.start(_up(bench, host, str(port)))
        seconds = _lab.until_200(port, bench.address, begin, process)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        told[host].append(json.loads(out)["data"])
        down(bench, host)
        return seconds

    return once


def _hand(bench: _lab.Bench, host: str, first: list[str]) -> Callable[[], float]:
    def once() -> float:
        (bench.made.home / "hand").mkdir(exist_ok=True)
        port = free_port()
        begin = time.perf_counter()
        bench.run(first)
        process = subprocess.Popen(
            _forward_by_hand(bench, host, str(port)),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it complains until Jupyter has made its socket
        )
        try:
            return _lab.until_200(port, lambda: ("/", "by-hand"), begin)
        finally:
            process.terminate()
            process.wait(10)
            end_by_hand(bench)

    return once


def end_by_hand(bench: _lab.Bench) -> None:
    subprocess.run(["tmux", "-S", f"{bench.made.home}/hand.tmux", "kill-server"], check=True)
    left = bench.made.home / "hand.sock"
    deadline = time.monotonic() + 10
    while left.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    left.unlink(missing_ok=True)


def _show(figures: _figures.Figures, told: Documents) -> None:
    middle = {name: statistics.median(found) for name, found in figures.items()}
    rows, goals = [], []
    for host, rtt in _lab.ROUND_TRIPS.items():
        sides = [figures[f"{side} {host}"] for side in ("up", "hand", "started")]
        ratios = (f"{_figures.ratio(sides[0], each):.2f}" for each in sides[1:])
        rows.append((f"{rtt * 1e3:.0f} ms", *map(_figures.spread, sides), *ratios))
        more = middle[f"up {host}"] - middle[f"hand {host}"]
        text = f"up − by hand at {rtt * 1e3:.0f} ms (0.5 s + {_EXTRA_TRIPS} round trips)"
        goals.append(Goal(text, more, 0.5 + _EXTRA_TRIPS * rtt, "s"))
    by_hand_too = ("by hand, s", "by hand with our start file, s")
    to = ("gpuws / by hand", "gpuws / with our file")
    _figures.table(("round trip", "gpuws, s", *by_hand_too, *to), rows)
    print(_WHY)
    parts = [
        (part, *(_figures.spread([each["timings"][part] for each in told[host]]) for host in told))
        for part in told["far"][0]["timings"]
    ]
    _figures.table(("part, by --json", "0 ms, s", "100 ms, s"), parts)
    calls = ", ".join(sorted({str(each["round_trips"]) for each in told["far"]}))
    print(f"Calls after the login, by --json: {calls}.\n")
    _figures.goals(goals)


if __name__ == "__main__":
    main()
