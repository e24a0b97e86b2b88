"""A view on a terminal of its own, whose keeper is played by the test.

    with watched(folder) as (screen, keeper):
        keeper.tell(state="reconnecting")
        assert screen.shows("reconnecting")
        screen.type("q")

``python -m tests.support.watching SOCKET`` is the view.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import pexpect
import pyte

HEALTH: dict[str, Any] = {
    "lost": False, "state": "open", "local_port": 8888, "heard_s": 1.0, "latency_ms": 0.0,
    "connections": 1, "bytes_in": 0, "bytes_out": 0, "reconnects": 0, "try": 0, "next_s": 0.0,
    "reason": "", "gpus": [], "forwards": [], "open_ports": [],
}  # fmt: skip
RESULT: dict[str, Any] = {
    "workspace": "box/w", "name": "w", "url": "http://127.0.0.1:8888/w/lab", "dir": "/d",
    "gpus": None, "environment": {"tool": "uv", "prefix": "/p", "action": "none"},
    "forwards": [],
}  # fmt: skip


class Screen:
    """What a program shows on a terminal of 100 columns."""

    def __init__(self, command: str, *args: str, **more: Any) -> None:
        self._screen = pyte.Screen(100, 30)
        self._stream = pyte.Stream(self._screen)
        self._child = pexpect.spawn(
            command, list(args), dimensions=(30, 100), encoding="utf-8", echo=False, **more
        )

    def text(self) -> str:
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            while True:
                self._stream.feed(self._child.read_nonblocking(65536, timeout=0.05))
        return "\n".join(line.rstrip() for line in self._screen.display)

    def shows(self, text: str, patience: float = 5.0) -> bool:
        deadline = time.monotonic() + patience
        while text not in self.text() and time.monotonic() < deadline:
            pass
        return text in self.text()

    def type(self, text: str) -> None:
        self._child.send(text)

    def seconds_to_end(self, patience: float = 5.0) -> float:
        """How long the program still runs."""
        begun = time.monotonic()
        self._child.expect(pexpect.EOF, timeout=patience)
        return time.monotonic() - begun

    def code(self) -> int:
        self._child.wait()
        return int(self._child.exitstatus or 0)

    def end(self) -> None:
        self._child.close(force=True)


class PlayedKeeper:
    """The keeper's end of the wire."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    def tell(self, **changes: object) -> None:
        self._send({"health": {**HEALTH, **changes}})

    def ask(self, how: str, prompt: str) -> None:
        self._send({"ask": how, "prompt": prompt, "flag": ""})

    def heard(self, patience: float = 5.0) -> Any:
        """The view's next message; None where none comes."""
        there = self._connection.poll(patience)
        return json.loads(self._connection.recv_bytes()) if there else None

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message).encode())


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[tuple[Screen, PlayedKeeper]]:
    """``folder``: a short one, for the socket."""
    with Listener(str(folder / "k"), family="AF_UNIX") as listener:
        screen = Screen(sys.executable, "-m", "tests.support.watching", str(folder / "k"))
        try:
            with listener.accept() as connection:
                yield screen, PlayedKeeper(connection)
        finally:
            screen.end()


def _watch(socket: str) -> None:
    from gpuws import view
    from gpuws.keeper.client import Talk
    from gpuws.keeper.wire import Wire
    from gpuws.panel import Live
    from gpuws.plan.model import HostEntry
    from gpuws.plan.requests import Caller, Reach, WorkspaceRequest

    request = WorkspaceRequest(Reach("box", HostEntry("box")), Caller("", "", ""))
    person = Live()
    with Talk(Wire(Client(socket, family="AF_UNIX")), person) as talk:
        try:
            view._stay(talk, RESULT, request, person, browser=False)
        finally:
            person.close()


if __name__ == "__main__":
    _watch(sys.argv[1])
