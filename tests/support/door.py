"""Jupyter as a browser meets it: HTTP over the laptop's local port, bytes looked at closely."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Dial = Callable[[tuple[str, int], float], socket.socket]
"""Makes a connection from the laptop: (address, seconds of patience)."""


@dataclass(frozen=True)
class Door:
    """The local end of a forward. ``base_url`` and ``token`` are read where the host keeps them."""

    port: int
    base_url: str
    token: str
    dial: Dial = socket.create_connection

    @property
    def url(self) -> str:
        """As `gpuws url` prints it."""
        return f"http://127.0.0.1:{self.port}{self.base_url}lab?token={self.token}"

    def knock(self, timeout: float = 10.0) -> socket.socket:
        """A connection on which nothing was said yet."""
        return self.dial(("127.0.0.1", self.port), timeout)

    def ask(self, path: str = "api/status", timeout: float = 20.0) -> int:
        """The status of an answer, on a connection of its own. Raises OSError without an answer."""
        with self.knock(timeout) as sock:
            return question(self, sock, path)

    def works(self, timeout: float = 5.0) -> bool:
        with contextlib.suppress(OSError):
            return self.ask(timeout=timeout) == 200
        return False

    def seconds_until_it_works(self, patience: float = 20.0) -> float:
        """Asked every 50 ms, each time on a new connection."""
        begin = time.monotonic()
        while time.monotonic() < begin + patience:
            asked = time.monotonic()
            if self.works():
                return time.monotonic() - begin
            time.sleep(max(0.0, asked + 0.05 - time.monotonic()))
        raise AssertionError(f"no answer on port {self.port} in {patience:.0f} s")


def door_to(workspace: Path, port: int, dial: Dial = socket.create_connection) -> Door:
    """``workspace``: its folder on the host."""
    record = json.loads((workspace / "workspace.json").read_text())
    return Door(port, record["base_url"], (workspace / "token").read_text(), dial)


def say(door: Door, sock: socket.socket, path: str) -> None:
    """A request; the connection may be used for another one afterwards."""
    lines = (
        f"GET {door.base_url}{path} HTTP/1.1",
        f"Host: 127.0.0.1:{door.port}",
        f"Authorization: token {door.token}",
    )
    sock.sendall("\r\n".join((*lines, "", "")).encode())


def question(door: Door, sock: socket.socket, path: str = "api/status") -> int:
    """The status of the answer on an open connection, which stays open. Raises OSError where the
    connection ends before a whole answer."""
    say(door, sock, path)
    answer = http.client.HTTPResponse(sock)
    try:
        answer.begin()
        answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"no whole answer: {error!r}") from error
    return answer.status


def how_it_ends(sock: socket.socket, timeout: float) -> tuple[str, bytes]:
    """Read to the end of a connection: ("end" | "reset" | "silence", what came)."""
    came = b""
    sock.settimeout(timeout)
    try:
        while data := sock.recv(1 << 18):
            came += data
    except TimeoutError:
        return "silence", came
    except OSError:
        return "reset", came
    return "end", came
