"""The ends of a measured forward, as processes of their own.

    python -m bench._ends far SOCKET                      # what the tunnel leads to
    python -m bench._ends forward CONFIG HOST PORT SOCKET # gpuws's login and forward, as a keeper's
    python -m bench._ends stalled PORT PATH TOKEN_FILE    # asks Jupyter for a file and never reads

Each prints a number once it is ready (the forward: its local port; the stalled reader: the status
of its answer) and stays until it is ended.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

BLOCK = bytes(256 * 1024)


@contextlib.contextmanager
def end(*words: str) -> Iterator[int]:
    """One of them; yields its number."""
    command = [sys.executable, "-m", "bench._ends", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextlib.contextmanager
def ssh(command: Sequence[str], port: int) -> Iterator[int]:
    """``ssh -N -L``, once its local ``port`` answers; yields the number of its process."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.02)
    raise SystemExit("ssh -N -L did not open its port in 15 s")


def main() -> None:
    what, *words = sys.argv[1:]
    roles: dict[str, Callable[..., None]] = {
        "far": _serve_far_end,
        "forward": _serve_forward,
        "stalled": _stall,
    }
    roles[what](*words)


def _serve_forward(config: str, alias: str, port: str, socket_path: str) -> None:
    from functools import partial

    from tests.support.people import Nobody
    from tests.support.person import Ear

    from gpuws.host.bridge.bridged import bridged_where_needed
    from gpuws.host.connect import connect
    from gpuws.host.profile import resolve
    from gpuws.plan.model import Target
    from gpuws.tunnel.forward import open_forward

    profile = replace(resolve(alias, ssh_config=Path(config)), port=int(port))
    host = bridged_where_needed(connect(profile, Nobody(), Nobody()), "stdio", "", Ear())
    forward = open_forward(partial(host.open_flow, Target(socket_path)), wanted=28000)
    print(forward.local_port, flush=True)
    while host.alive():
        time.sleep(1)


def _stall(port: str, path: str, token_file: str) -> None:
    token = Path(token_file).read_text()
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as sock:
        asked = (f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: token {token}", "", "")
        sock.sendall("\r\n".join(asked).encode())
        begun = sock.recv(12, socket.MSG_PEEK)  # to look takes nothing out
        print(int(begun.removeprefix(b"HTTP/1.1 ")), flush=True)
        while True:
            time.sleep(60)


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
        for _ in range(int(size) // len(BLOCK)):
            sock.sendall(BLOCK)
    else:
        while sock.recv(len(BLOCK)):
            pass
        sock.sendall(b"!")


if __name__ == "__main__":
    main()
