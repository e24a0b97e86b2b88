"""A forward to the lab's Jupyter, open while a block runs: gpuws's keeper, or ``ssh -N -L``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.support.sshd import free_port

from bench import _ends, _lab


@dataclass(frozen=True)
class Forward:
    """``port`` of 127.0.0.1, and the number of the process that carries what comes there."""

    port: int
    pid: int


Opened = Callable[[], contextlib.AbstractContextManager[Forward]]


def attach(bench: _lab.Bench, host: str, port: str) -> list[str]:
    return bench.gpuws("attach", "-d", "--no-browser", f"{host}/{_lab.NAME}", "--local-port", port)


def by_hand(bench: _lab.Bench, host: str, port: str, *options: str, target: str = "") -> list[str]:
    """``target``: a socket on the host other than the workspace's."""
    return bench.ssh(*options, "-N", "-L", f"{port}:{target or bench.jupyter}", host)


@contextlib.contextmanager
def keeper(bench: _lab.Bench, host: str = "near") -> Iterator[Forward]:
    bench.end_keepers()
    port = free_port()
    bench.run(attach(bench, host, str(port)))
    [pid] = bench.made.laptop.keepers()
    try:
        yield Forward(port, pid)
    finally:
        bench.end_keepers()


@contextlib.contextmanager
def ssh(
    bench: _lab.Bench, host: str = "near", *options: str, target: str = ""
) -> Iterator[Forward]:
    port = free_port()
    with _ends.ssh(by_hand(bench, host, str(port), *options, target=target), port) as pid:
        yield Forward(port, pid)
