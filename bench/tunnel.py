"""One forward beside ``ssh -N -L``: the same real sshd, in turns, in one run.

    python -m bench.tunnel                          # a Markdown table on stdout
    python -m bench.tunnel --runs 40 --delay 0.05   # 100 ms round trip, through a proxy

Both sides end at the same Unix socket on the host; the forward, its far end and the measuring
client are processes of their own. Every figure is the median of ``--runs`` short runs with its
quartiles, after one that is not counted; the two sides take turns in going first. Needs
OpenSSH's sshd and ssh on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import shlex
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

_BLOCK = bytes(256 * 1024)


@dataclass(frozen=True)
class Measure:
    """``take`` gives the figure for a local port; the ratio is gpuws / ssh."""

    name: str
    unit: str
    take: Callable[[int], float]


def main() -> None:
    """Measure and print; with ``--part`` be one of the processes instead."""
    options = _options()
    if options.part == "far":
        _serve_far_end(options.words[0])
    elif options.part == "forward":
        _serve_forward(*options.words)
    else:
        _compare(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20, help="of each side and figure")
    parser.add_argument("--megabytes", type=int, default=48, help="a run")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds one way, by a proxy")
    parser.add_argument("--part", choices=["far", "forward"], help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(options: argparse.Namespace) -> None:
    from tests.support.far_end import short_folder
    from tests.support.fault_proxy import FaultProxy
    from tests.support.sshd import free_port, running_sshd

    with (
        short_folder() as folder,
        running_sshd(folder / "d") as sshd,
        FaultProxy(("127.0.0.1", sshd.port), delay=options.delay) as proxy,
    ):
        port = proxy.port if options.delay else sshd.port
        sshd.known_hosts.write_text(sshd.host_key_line().replace(f":{sshd.port} ", f":{port} "))
        config, far = str(sshd.config), str(folder / "far")
        local = f"127.0.0.1:{free_port()}:{far}"
        baseline = ["ssh", "-F", config, "-p", str(port), "-N", "-L", local, sshd.alias]
        with (
            _part("far", far),
            _part("forward", config, sshd.alias, str(port), far) as ours,
            _ssh(baseline, int(local.split(":")[1])) as theirs,
        ):
            _report(options, baseline, _take_turns(options, ours, theirs))


# --- the processes --------------------------------------------------------------------------------


@contextlib.contextmanager
def _part(*words: str) -> Iterator[int]:
    """This file in another process; yields the number that it prints once it is ready."""
    command = [sys.executable, "-m", "bench.tunnel", "--part", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def _ssh(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _dial(port).close()
            return
        time.sleep(0.02)
    raise SystemExit("ssh -N -L did not open its port in 15 s")


def _serve_forward(config: str, alias: str, port: str, socket_path: str) -> None:
    """The connection and the forward as the keeper holds them."""
    from tests.support.people import Nobody

    from gpuws.host.connect import connect
    from gpuws.host.profile import resolve
    from gpuws.plan.model import Target
    from gpuws.tunnel.forward import open_forward

    profile = replace(resolve(alias, ssh_config=Path(config)), port=int(port))
    host = connect(profile, Nobody(), Nobody())
    forward = open_forward(lambda sink: host.open_flow(Target(socket_path), sink), wanted=28000)
    print(forward.local_port, flush=True)
    while host.alive():
        time.sleep(1)


def _serve_far_end(path: str) -> None:
    from tests.support.far_end import serve_forever

    serve_forever(path, _obey, ready=lambda: print(0, flush=True))


def _obey(sock: socket.socket) -> None:
    """The first line says what to be: a source of N bytes, a sink, or an echo."""
    order = b""
    while not order.endswith(b"\n"):
        order += sock.recv(1)
    word, size = order.decode().split()
    if word == "echo":
        while data := sock.recv(65536):
            sock.sendall(data)
    elif word == "source":
        for _ in range(int(size) // len(_BLOCK)):
            sock.sendall(_BLOCK)
    else:
        while sock.recv(len(_BLOCK)):
            pass
        sock.sendall(b"!")


# --- the figures ----------------------------------------------------------------------------------


def _dial(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _download(size: int, streams: int, port: int) -> float:
    """Megabytes a second over all streams together."""

    def one(_: int) -> None:
        with _dial(port) as sock:
            sock.sendall(b"source %d\n" % (size // streams))
            left = size // streams // len(_BLOCK) * len(_BLOCK)
            while left:
                left -= len(sock.recv(1 << 20)) or left + 1  # an early end leaves it negative
            assert left == 0

    begin = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(one, range(streams)))
    return size / (time.perf_counter() - begin) / 1e6


def _upload(size: int, port: int) -> float:
    begin = time.perf_counter()
    with _dial(port) as sock:
        sock.sendall(b"sink 0\n")
        for _ in range(size // len(_BLOCK)):
            sock.sendall(_BLOCK)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b"!"  # the far end has it all
    return size / (time.perf_counter() - begin) / 1e6


def _echo(count: int, port: int) -> float:
    """Milliseconds for 64 bytes there and back: the median of ``count``."""
    times = []
    with _dial(port) as sock:
        sock.sendall(b"echo 0\n")
        for _ in range(count):
            begin = time.perf_counter()
            sock.sendall(bytes(64))
            left = 64
            while left:
                left -= len(sock.recv(left))
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def _dials(count: int, port: int) -> float:
    """Connections a second, one after another, each with one byte there and back.

    The client closes first.
    """
    begin = time.perf_counter()
    for _ in range(count):
        with _dial(port) as sock:
            sock.sendall(b"echo 0\nx")
            assert sock.recv(1) == b"x"
    return count / (time.perf_counter() - begin)


def _take_turns(
    options: argparse.Namespace, ours: int, theirs: int
) -> list[tuple[Measure, list[float], list[float]]]:
    size = options.megabytes << 20
    echoes, dials = (5, 3) if options.delay else (200, 40)
    measures = (
        Measure("download, one stream", "MB/s", functools.partial(_download, size, 1)),
        Measure("download, eight streams", "MB/s", functools.partial(_download, size, 8)),
        Measure("upload, one stream", "MB/s", functools.partial(_upload, size)),
        Measure("echo of 64 bytes, p50", "ms", functools.partial(_echo, echoes)),
        Measure("connections a second", "/s", functools.partial(_dials, dials)),
    )
    table = []
    for measure in measures:
        figures: dict[int, list[float]] = {ours: [], theirs: []}
        for run in range(options.runs + 1):
            for port in (ours, theirs) if run % 2 else (theirs, ours):
                figure = measure.take(port)
                if run:
                    figures[port].append(figure)
        table.append((measure, figures[ours], figures[theirs]))
        print(f"{measure.name}: done", file=sys.stderr)
    return table


def _report(
    options: argparse.Namespace,
    baseline: list[str],
    table: list[tuple[Measure, list[float], list[float]]],
) -> None:
    print(f"{options.runs} runs a side, {options.megabytes} MiB each, ", end="")
    print(f"round trip +{options.delay * 2000:.0f} ms; {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}, paramiko {version('paramiko')}, {_openssh()}.")
    print(f"Baseline: `{shlex.join(baseline)}`\n")
    print("| figure | unit | gpuws median (quartiles) | ssh -L median (quartiles) | ratio |")
    print("|---|---|---|---|---|")
    for measure, ours, theirs in table:
        ratio = statistics.median(ours) / statistics.median(theirs)
        words = (measure.name, measure.unit, _spread(ours), _spread(theirs), f"{ratio:.2f}")
        print(f"| {' | '.join(words)} |")


def _spread(figures: list[float]) -> str:
    first, middle, third = statistics.quantiles(figures, n=4, method="inclusive")
    return f"{middle:.3g} ({first:.3g}–{third:.3g})"


def _openssh() -> str:
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.strip()


if __name__ == "__main__":
    main()
