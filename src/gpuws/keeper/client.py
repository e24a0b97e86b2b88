"""The view's side: run a verb in the host's keeper, or here where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Protocol

from gpuws.errors import EXIT_OF, GpuwsError
from gpuws.keeper import wire as wires
from gpuws.keeper.wire import Wire
from gpuws.plan.codec import encode
from gpuws.plan.ports import Ask, Progress
from gpuws.plan.requests import Reach, Request


class Person(Progress, Ask, Protocol):
    """The person at this end: what is shown to them and asked of them."""

    def size(self) -> tuple[int, int] | None: ...
    def show_block(self, block: bytes) -> None: ...


class Starting:
    """The live keeper of a host, or one that starts meanwhile: its interpreter and paramiko take
    0.3 s, in which the view reads its own files."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._wire = wires.dial(key)
        self._process = None if self._wire else _spawn(key)

    def __enter__(self) -> Starting:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wrong input: nobody will talk to the one that was started."""
        if kind is not None and self._process is not None:
            with self._process as process:  # waits for its end, and closes its pipes
                process.terminate()

    def wire(self) -> Wire:
        """Its wire, once it listens."""
        if self._process is not None:
            process, self._process = self._process, None
            self._wire = self._await(process)
        if self._wire is None:
            raise GpuwsError("bug", "the keeper was asked for twice")
        return self._wire

    def _await(self, process: subprocess.Popen[bytes]) -> Wire:
        with process:
            said = process.stdout.readline() if process.stdout else b""
            found = wires.dial(self._key) if said.strip() == b"ready" else None
            if found is None:
                told = process.stderr.read(4000) if process.stderr else b""
                detail = told.decode("utf-8", "replace")
                raise GpuwsError("bug", "the keeper did not start", detail=detail)
            process.returncode = 0  # it goes on by itself: Popen must not wait for it
        return found


def _spawn(key: str) -> subprocess.Popen[bytes]:
    """Raises usage where its folder cannot be made: said here, where somebody hears it."""
    wires.run_folder()
    flags: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = {"creationflags": 0x00000008 | 0x00000200}  # DETACHED_PROCESS, NEW_PROCESS_GROUP
    return subprocess.Popen(
        [sys.executable, "-m", "gpuws.keeper", key],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # glibc gives each thread an arena of its own, and a forward has many threads
        env={**os.environ, "MALLOC_ARENA_MAX": "2"},
        **flags,
    )


class Talk:
    """A verb under way in a keeper."""

    def __init__(self, wire: Wire, person: Person) -> None:
        self._wire = wire
        self._person = person

    def send(self, verb: str, request: Request, *, detach: bool = False) -> None:
        self._wire.send(
            {
                "verb": verb,
                "request": encode(request),
                "detach": detach,
                "size": self._person.size(),
            }
        )

    def result(
        self,
        idle: Callable[[], None] | None = None,
        begun: Callable[[], object] = lambda: None,
    ) -> dict[str, Any]:
        """Events go to the person until the journey ends; its data, or its error raised.

        ``idle`` is called each second without a word, ``begun`` when a command of theirs runs.
        """
        while True:
            while idle and not self._wire.wait(1.0):
                idle()
            block = self._wire.receive()
            if block is None:
                raise GpuwsError(
                    "connection-lost",
                    "the background process that holds the connection went away",
                    hint="run the command again",
                    retryable=True,
                )
            if not wires.is_json(block):
                self._person.show_block(block)
                continue
            message = wires.parse(block)
            if "result" in message:
                answer: dict[str, Any] = message["result"]
                return answer
            if "begun" in message:
                begun()
                continue
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        if "error" in message:
            raise error_of(message["error"])
        if "ask" in message:
            self._wire.send({"answer": _answer(self._person, message)})
        elif "event" in message:
            show(self._person, message)

    def health(self, seconds: float) -> dict[str, Any] | None:
        """The next health message within ``seconds``, else None; {"lost": True} at the end."""
        if not self._wire.wait(seconds):
            return None
        block = self._wire.receive()
        if block is None:
            return {"lost": True}
        message = wires.parse(block)
        if "health" not in message:
            self._hear(message)  # a login that is made again may ask the person for a code
            return None
        health: dict[str, Any] = message["health"]
        return health

    def type(self, data: bytes) -> None:
        """Keystrokes for exec and shell; empty means the end of input."""
        self._wire.send_block(wires.STDIN + data)

    def resize(self, columns: int, rows: int) -> None:
        self._wire.send({"resize": [columns, rows]})

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave("close")

    def leave(self, how: str) -> None:
        """ "close": the tunnel goes with the view; "detach": the keeper keeps it."""
        try:
            self._wire.send({"leave": how})
        except OSError:
            return
        finally:
            self._wire.close()


def show(person: Progress, message: dict[str, Any]) -> None:
    kind = message["event"]
    if kind == "stage":
        person.stage(message["name"], message.get("detail", ""))
        return
    if kind == "advice":
        person.advise(message["about"], *message["text"].splitlines())
        return
    tell: dict[str, Callable[[str], None]] = {
        "line": person.line,
        "note": person.note,
        "warn": person.warn,
    }
    tell[kind](message["text"])


def _answer(person: Ask, message: dict[str, Any]) -> str | None:
    try:
        if message["ask"] == "confirm":
            return "yes" if person.confirm(message["prompt"], flag=message["flag"]) else "no"
        ask = person.secret if message["ask"] == "secret" else person.text
        return ask(message["prompt"])
    except GpuwsError:
        return None


def error_of(data: dict[str, Any]) -> GpuwsError:
    code = data.get("code", "bug")
    return GpuwsError(
        code if code in EXIT_OF else "bug",
        data.get("message", ""),
        hint=data.get("hint", ""),
        stage=data.get("stage", ""),
        detail=data.get("detail", ""),
        retryable=bool(data.get("retryable")),
    )


def keeper_key(reach: Reach) -> str:
    """By name alone where the name is the user's own: a keeper starts before their file is read."""
    host = f"{reach.host} is {reach.destination}" if reach.of_project else reach.host
    return wires.key_of(host, reach.ssh_config, reach.port)
