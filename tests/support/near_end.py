"""The near side of a tunnel: a login, a forward, and clients that speak through it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gpuws.host.connect import connect
from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from gpuws.tunnel.forward import Forward, open_forward
from tests.support.local_host import LocalHost
from tests.support.people import Nobody
from tests.support.sshd import Sshd
from tests.support.transports import profile_of

WANTED = 20000 + os.getpid() % 20000
"""The port to begin with: another one for each process of tests."""


def log_in(server: Sshd, port: int = 0) -> Host:
    """``port``: of a proxy in front of the server."""
    if port:
        line = server.host_key_line()
        server.known_hosts.write_text(line + line.replace(f":{server.port} ", f":{port} "))
    profile = profile_of(server.alias, server.config, port)
    return connect(profile, Nobody(), Nobody())


@contextlib.contextmanager
def carried(host: Host, target: Target) -> Iterator[Forward]:
    """A forward to ``target`` over ``host``."""
    forward = open_forward(partial(host.open_flow, target), wanted=WANTED)
    try:
        yield forward
    finally:
        forward.close()


@contextlib.contextmanager
def local_host() -> Iterator[LocalHost]:
    """A host without SSH whose flows end with the block."""
    host = LocalHost(Path("/"))
    try:
        yield host
    finally:
        host.close()


@contextlib.contextmanager
def forward_to(target: Target) -> Iterator[Forward]:
    """A forward to ``target`` without SSH."""
    with local_host() as host, carried(host, target) as forward:
        yield forward


def dial(forward: Forward) -> socket.socket:
    return socket.create_connection(("127.0.0.1", forward.local_port), timeout=20)


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def held_back(sent: Callable[[], int]) -> int:
    """Waits until a flood does not advance any more; how far it came."""
    last = -1
    while sent() != last:
        last = sent()
        time.sleep(0.4)
    return last


async def crowd(forward: Forward, count: int) -> int:
    """Open all, then speak on all, then check all: how many got their own words back."""
    dials = [asyncio.open_connection("127.0.0.1", forward.local_port) for _ in range(count)]
    pairs = await asyncio.gather(*dials)
    for number, (_, writer) in enumerate(pairs):
        writer.write(b"%d" % number)
        writer.write_eof()
    answers = await asyncio.gather(*(reader.read() for reader, _ in pairs))
    for _, writer in pairs:
        writer.close()
    return sum(answer == b"%d" % number for number, answer in enumerate(answers))


async def burst(forward: Forward, count: int, at_once: int) -> int:
    """Short connections, ``at_once`` at a time: how many got their own words back."""
    turns = asyncio.Semaphore(at_once)

    async def one(number: int) -> bool:
        async with turns:
            reader, writer = await asyncio.open_connection("127.0.0.1", forward.local_port)
            writer.write(b"%d" % number)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
        return answer == b"%d" % number

    return sum(await asyncio.gather(*(one(number) for number in range(count))))
