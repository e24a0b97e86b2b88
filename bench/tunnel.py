"""One forward beside ``ssh -N -L``: throughput, round trips and connections, near and far."""

from __future__ import annotations

import contextlib
import functools
import socket
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.far_end import short_folder
from tests.support.sshd import Sshd, free_port, running_sshd

from bench import _ends, _figures
from bench._figures import Figures, Goal
from bench._proxy import Wire, linked

FAR = 0.2  # seconds: the round trip of the second table
_WINDOW = "ssh lets a channel have 2 MiB under way and no more, which is 10 MB/s at 200 ms"


@dataclass(frozen=True)
class Measure:
    """``take`` gives the figure for a local port; ``goal`` is of the ratio gpuws / ssh -L."""

    name: str
    unit: str
    take: Callable[[int], float]
    goal: float | None = None
    at_least: bool = True  # else: at most
    why: str = ""  # a ratio above 2, where it is no accident


def near() -> tuple[Measure, ...]:
    size = 48 << 20
    return (
        Measure("download, one stream", "MB/s", functools.partial(_download, size, 1), 0.8),
        Measure("download, eight streams", "MB/s", functools.partial(_download, size, 8), 1.0),
        Measure("upload, one stream", "MB/s", functools.partial(_upload, size), 0.5),
        Measure("echo of 64 bytes, p50", "ms", functools.partial(_echo, 200), 1.5, at_least=False),
        Measure("connections a second", "/s", functools.partial(_dials, 40), 0.7),
    )


def far() -> tuple[Measure, ...]:
    size = 24 << 20
    return (
        Measure(
            "download, one stream", "MB/s", functools.partial(_download, size, 1), 1.0, why=_WINDOW
        ),
        Measure("download, eight streams", "MB/s", functools.partial(_download, 4 * size, 8), 1.0),
        Measure("upload, one stream", "MB/s", functools.partial(_upload, size), 1.0),
        Measure("echo of 64 bytes, p50", "ms", functools.partial(_echo, 3)),
        Measure("connections a second", "/s", functools.partial(_dials, 2)),
    )


def main() -> None:
    count = _figures.runs(__doc__)
    with short_folder() as folder, running_sshd(folder / "d") as sshd:
        _figures.heading("Throughput of the forward", count)
        print("Both end at the same Unix socket on the host; the forward, its far end and the")
        print("measuring client are processes of their own.\n")
        _figures.commands({"by hand": _by_hand(sshd, "PORT", "LOCAL", "SOCKET")}, _short(sshd))
        goals = _section(sshd, folder, 0.0, near(), count)
        goals += _section(sshd, folder, FAR, far(), count)
    _figures.goals(goals)


def _by_hand(sshd: Sshd, port: str, local: str, far_socket: str) -> list[str]:
    there = f"127.0.0.1:{local}:{far_socket}"
    return ["ssh", "-F", str(sshd.config), "-p", port, "-N", "-L", there, sshd.alias]


def _short(sshd: Sshd) -> dict[str, str]:
    return {str(sshd.config): "CONFIG", sshd.alias: "HOST"}


def _section(
    sshd: Sshd, folder: Path, round_trip: float, measures: tuple[Measure, ...], count: int
) -> list[Goal]:
    """Measure and print the table of one distance."""
    with _both(sshd, folder, round_trip) as ports:
        found = {each: _figures.in_turns(count, _sides(each, ports)) for each in measures}
    where = f"{round_trip * 1e3:.0f} ms"
    print(
        f"A round trip of {where}, made by one proxy for both:\n" if round_trip else "No proxy:\n"
    )
    head = ("figure", "unit", "gpuws, median (quartiles)", "ssh -L, median (quartiles)", "ratio")
    _figures.table(head, [_row(each, figures) for each, figures in found.items()])
    for each, figures in found.items():
        if each.why and _ratio(figures) > 2:
            print(f"{each.name}: {each.why}; ours grows with what its reader takes.\n")
    return [
        Goal(f"{each.name}, {where}", _ratio(figures), each.goal, "×", each.at_least)
        for each, figures in found.items()
        if each.goal is not None
    ]


def _sides(measure: Measure, ports: Mapping[str, int]) -> dict[str, Callable[[], float]]:
    return {name: functools.partial(measure.take, port) for name, port in ports.items()}


def _ratio(figures: Figures) -> float:
    return _figures.ratio(figures["gpuws"], figures["ssh -L"])


def _row(measure: Measure, figures: Figures) -> tuple[str, ...]:
    digits = 3 if measure.unit == "ms" else 1
    ours, theirs = (_figures.spread(figures[side], digits) for side in ("gpuws", "ssh -L"))
    return (measure.name, measure.unit, ours, theirs, f"{_ratio(figures):.2f}")


@contextlib.contextmanager
def _both(sshd: Sshd, folder: Path, round_trip: float) -> Iterator[dict[str, int]]:
    """The local ports of both forwards, through one proxy where there is a round trip."""
    with contextlib.ExitStack() as all_:
        port = sshd.port
        if round_trip:
            port = all_.enter_context(linked(port, Wire(round_trip))).port
        line = sshd.host_key_line()
        sshd.known_hosts.write_text(line.replace(f":{sshd.port} ", f":{port} "))
        far_socket, local = str(folder / f"far-{port}"), free_port()
        all_.enter_context(_ends.end("far", far_socket))
        command = _by_hand(sshd, str(port), str(local), far_socket)
        all_.enter_context(_ends.ssh(command, local))
        words = ("forward", str(sshd.config), sshd.alias, str(port), far_socket)
        yield {"gpuws": all_.enter_context(_ends.end(*words)), "ssh -L": local}


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
            left = size // streams // len(_ends.BLOCK) * len(_ends.BLOCK)
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
        for _ in range(size // len(_ends.BLOCK)):
            sock.sendall(_ends.BLOCK)
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


if __name__ == "__main__":
    main()
