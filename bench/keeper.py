"""Peak memory of the background keeper after 1 GB through 50 connections, beside `ssh -N -L`."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

from tests.support.sshd import free_port

from bench import _figures, _lab
from bench._figures import Goal

CONNECTIONS = 50  # open at the same time
SIZE = 20 << 20  # bytes through each of them: 1.05 GB together
_FILE = "kernelspecs/python3/blob.bin"  # Jupyter streams the files of a kernel's folder


def main() -> None:
    count = _figures.runs(__doc__, 3)
    with _lab.lab() as bench:
        _figures.heading("Memory of the keeper", count)
        print(
            f"{CONNECTIONS} connections are open while {SIZE * CONNECTIONS / 1e9:.2f} GB come from"
        )
        print("Jupyter: through all of them at once, or through one after the other. VmHWM of the")
        print("process that carries the forward.\n")
        forward = bench.ssh("-N", "-L", f"PORT:{bench.jupyter}", "HOST")
        attach = bench.gpuws("attach", "-d", f"HOST/{_lab.NAME}")
        _figures.commands({"gpuws": attach, "by hand": forward}, bench.short)
        folder = bench.workspace / "jupyter/data/kernels/python3"
        (folder / "blob.bin").write_bytes(bytes(SIZE))
        rest: list[float] = []
        sides = {
            "keeper, all at once": lambda: _keeper(bench, rest, CONNECTIONS),
            "keeper, one by one": lambda: _keeper(bench, rest, 1),
            "ssh -N -L, all at once": lambda: _ssh(bench, CONNECTIONS),
            "ssh -N -L, one by one": lambda: _ssh(bench, 1),
        }
        figures = _figures.in_turns(count, sides)
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


def _keeper(bench: _lab.Bench, rest: list[float], at_once: int) -> float:
    bench.end_keepers()
    port = free_port()
    bench.run(bench.gpuws("attach", "-d", f"near/{_lab.NAME}", "--local-port", str(port)))
    [pid] = bench.made.laptop.keepers()
    rest.append(_peak(pid))
    _load(bench, port, at_once)
    peak = _peak(pid)
    bench.end_keepers()
    return peak


def _ssh(bench: _lab.Bench, at_once: int) -> float:
    port = free_port()
    command = bench.ssh("-N", "-L", f"{port}:{bench.jupyter}", "near")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _lab.until_200(port, bench.address, time.perf_counter())
        _load(bench, port, at_once)
        return _peak(process.pid)
    finally:
        process.terminate()
        process.wait(10)


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


def _peak(pid: int) -> float:
    """VmHWM in MB (10⁶ bytes)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
