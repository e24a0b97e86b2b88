"""A client in a process of its own, so that its memory can be told from that of the servers it
meets: `python -m tests.support.hostile TIMEOUT PORT…` prints a line of JSON for each port.

The servers are functions for tests.support.fake_server.listening. They end when the client does.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

GREETING = b"SSH-2.0-Hostile\r\n"
_BLOCK = b"x" * (64 << 10)


@dataclass(frozen=True)
class Met:
    """How a connection ended. ``memory``: bytes that the process grew by at most, meanwhile."""

    code: str
    message: str
    seconds: float
    memory: int


def meet(timeout: float, *ports: int) -> list[Met]:
    """Connect to each port of loopback in turn; ``timeout`` is the ConnectTimeout in seconds."""
    command = [sys.executable, "-m", "tests.support.hostile", str(timeout), *map(str, ports)]
    out = subprocess.check_output(command, text=True, timeout=60 + 20 * len(ports))
    return [Met(*json.loads(line)) for line in out.splitlines()]


# --- the servers ---------------------------------------------------------------------------------


def silent(sock: socket.socket) -> None:
    sock.recv(1 << 10)
    sock.recv(1)


def endless(*, first: bytes = b"", block: bytes = _BLOCK) -> Callable[[socket.socket], None]:
    """``first``, and then the same without an end, as fast as it is taken."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(first)
        while True:
            sock.sendall(block)

    return serve


def dripping(*, first: bytes = b"", drop: bytes = b"x\r\n") -> Callable[[socket.socket], None]:
    """``first``, and then a little now and then, for ever."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(first)
        while True:
            sock.sendall(drop)
            time.sleep(0.05)

    return serve


def saying(*words: bytes) -> Callable[[socket.socket], None]:
    """Words, and then nothing more."""

    def serve(sock: socket.socket) -> None:
        sock.sendall(b"".join(words))
        silent(sock)

    return serve


def packet(payload: bytes, *, announced: int | None = None) -> bytes:
    """As before any key: in clear. ``announced`` lies about its length."""
    padding = 4 + -(len(payload) + 9) % 8
    length = 1 + len(payload) + padding if announced is None else announced
    return struct.pack(">IB", length, padding) + payload + bytes(padding)


IGNORED = packet(b"\x02" + struct.pack(">I", 4) + b"junk")
RANDOM = os.urandom(64 << 10)


# --- the client ----------------------------------------------------------------------------------


def _meet(timeout: float, ports: list[int]) -> Iterator[tuple[str, str, float, int]]:
    from gpuws.errors import GpuwsError
    from gpuws.host import authenticate, handshake
    from gpuws.host.connect import connect
    from gpuws.plan.model import Profile
    from tests.support.people import Nobody

    assert authenticate and handshake  # what is imported late weighs on nobody's account
    for port in ports:
        profile = Profile("box", "127.0.0.1", port, "ada", connect_timeout=timeout)
        before, begun = _peak(), time.monotonic()
        try:
            connect(profile, Nobody(), Nobody()).close()
        except GpuwsError as error:
            yield error.code, error.message, time.monotonic() - begun, _peak() - before
        else:
            yield "", "", time.monotonic() - begun, _peak() - before


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # Linux counts in KiB


if __name__ == "__main__":
    for met in _meet(float(sys.argv[1]), list(map(int, sys.argv[2:]))):
        print(json.dumps(met), flush=True)
