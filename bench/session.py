"""The host's part of `up`: the session's script until Jupyter's first 200, beside tmux by hand."""

from __future__ import annotations

import shlex
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.support import sessions
from tests.support.local_host import LocalHost

from bench import _figures, _lab
from bench._figures import Goal
from bench._processes import cpu_of
from bench.up import by_hand, end_by_hand
from gpuws.engines.engine import TMUX
from gpuws.engines.session import stop
from gpuws.host.probing import probe_script
from gpuws.plan.ports import Script

_EMPTY = Script("empty.sh", ":")
_PATIENCE = 60.0  # seconds
_POLL = 0.005  # seconds


def main() -> None:
    count = _figures.runs(__doc__)
    with _lab.lab() as bench:
        prefix = str(bench.record()["prefix"])
        bench.run(bench.gpuws("down", f"near/{_lab.NAME}", "--yes"))
        bench.end_keepers()
        _figures.heading("The host's part of up", count)
        print("Each script is sent as gpuws sends it, over a login of its own at 0 ms. The clock")
        print(
            "stops when its answer is there and Jupyter says 200 on its own socket. CPU: Jupyter's"
        )
        print("process and what it has waited for, at that moment.\n")
        _figures.commands(_commands(bench, prefix), bench.short)
        cpu: dict[str, list[float]] = defaultdict(list)
        figures = _figures.in_turns(count, _sides(bench, prefix, cpu))
    _show(figures, {name: found[1:] for name, found in cpu.items()})


def _shell(bench: _lab.Bench) -> list[str]:
    return bench.ssh("near", "exec", "/bin/sh")


def _commands(bench: _lab.Bench, prefix: str) -> dict[str, str]:
    shell = shlex.join([*_shell(bench), "-s"])
    return {
        "session": f"{shell} < start.sh with its arguments",
        "probe": f"{shell} < probe.sh with its arguments",
        "login": f"{shell} < an empty script",
        "by hand": shlex.join(by_hand(bench, "near", prefix)),
    }


def _sides(
    bench: _lab.Bench, prefix: str, cpu: dict[str, list[float]]
) -> dict[str, Callable[[], float]]:
    host = LocalHost(bench.made.home, shell=tuple(_shell(bench)))
    lab = sessions.Lab(bench.made.home, host, prefix, TMUX)
    hand = bench.made.home / "hand.sock"

    def session() -> float:
        begin = time.perf_counter()
        lab.start()
        seconds = _until_200(lab.run / "jupyter.sock", sessions.BASE_URL, lab.token.reveal(), begin)
        cpu["session"].append(cpu_of(lab.service()))
        stop(host, root=lab.root, name=lab.name)
        return seconds

    def started_by_hand() -> float:
        (bench.made.home / "hand").mkdir(exist_ok=True)
        begin = time.perf_counter()
        bench.run(by_hand(bench, "near", prefix))
        seconds = _until_200(hand, "/", "by-hand", begin)
        cpu["by hand"].append(cpu_of(_listener(hand)))
        end_by_hand(bench)
        return seconds

    def call(script: Script, *args: str) -> Callable[[], float]:
        def once() -> float:
            begin = time.perf_counter()
            host.run(script, *args)
            return time.perf_counter() - begin

        return once

    return {
        "session": session,
        "by hand": started_by_hand,
        "probe": call(probe_script(), "", "", ""),
        "login": call(_EMPTY),
    }


def _until_200(path: Path, base_url: str, token: str, begin: float) -> float:
    """Seconds from ``begin``. Asked every 5 ms; an open question is waited for."""
    lines = (f"GET {base_url}api/status HTTP/1.1", "Host: localhost", "Connection: close")
    asked = "\r\n".join((*lines, f"Authorization: token {token}", "", "")).encode()
    while time.perf_counter() < begin + _PATIENCE:
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(str(path))
                sock.sendall(asked)
                if sock.recv(64).split(b" ")[1:2] == [b"200"]:
                    return time.perf_counter() - begin
        except OSError:
            pass  # not there yet
        time.sleep(_POLL)
    raise AssertionError(f"no answer on {path} in {_PATIENCE:.0f} s")


def _listener(path: Path) -> int:
    """The number of the process that serves a Unix socket."""
    import struct

    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", told)[0])


def _show(figures: _figures.Figures, cpu: dict[str, list[float]]) -> None:
    middle = {name: statistics.median(found) for name, found in figures.items()}
    rows = [
        (name, _figures.spread(found), _figures.spread(cpu[name]) if name in cpu else "")
        for name, found in figures.items()
    ]
    _figures.table(("what", "seconds, median (quartiles)", "CPU of Jupyter, s"), rows)
    _figures.goals(
        [
            Goal("session − by hand", middle["session"] - middle["by hand"], 0.15, "s"),
            Goal("probe − login", (middle["probe"] - middle["login"]) * 1e3, 60, "ms"),
        ]
    )


if __name__ == "__main__":
    main()
