"""Where ssh's questions arrive while it logs in: a 0600 socket in a 0700 folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import sanitise
from gpuws.host.wire import Wire
from gpuws.plan.ports import Ask, Progress

_LONGEST = 80  # bytes of the folder's path: ssh adds 17 to a socket's name while it makes one
_MOST = 64 << 10  # bytes of one question
_OF_A_KEY = re.compile(r"Enter (passphrase|PIN) for ")  # without it ssh goes on with the next one
HOST_KEY = re.compile(r"\(yes/no|[Pp]lease type 'yes'")
_HELPER = Path(__file__).with_name("helper.py")


class Desk:
    """Answers the helper programs of one login."""

    def __init__(self, folder: Path, road: Wire | None, ask: Ask, progress: Progress) -> None:
        self.master = str(folder / "m")
        self.askpass = str(folder / "ask")
        self.proxy = str(folder / "road")
        self.answers = 0  # passwords and codes that a person gave
        self.unanswered = ""  # the question that nobody could answer, where ssh must not go on
        self.trouble: Exception | None = None  # what came of a question and must end the login
        self.before_asking: Callable[[], None] = lambda: None
        self._road = road
        self._ask = ask
        self._progress = progress
        self._asked: set[str] = set()
        self._turn = threading.Lock()  # a person answers one question after the other
        self._waiting: set[socket.socket] = set()  # helpers' lines, until they are answered
        self._held: list[socket.socket] = []  # of touches, until the end
        self._write_helpers(str(folder / "d"))
        self._listener = _listen(str(folder / "d"))
        threading.Thread(target=self._serve, name="gpuws-desk", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether ssh waits for a person."""
        return bool(self._waiting)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._held:
            line.close()

    def _write_helpers(self, desk: str) -> None:
        """ssh takes a program's path and no arguments of it."""
        python = [sys.executable, "-I", "-S", str(_HELPER), desk]
        for path, what in ((self.askpass, "ask"), (self.proxy, "road")):
            text = f'#!/bin/sh\nexec {shlex.join([*python, what])} "$@"\n'
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._hear, args=(line,), daemon=True).start()

    def _hear(self, line: socket.socket) -> None:
        self._waiting.add(line)
        try:
            what, sort, prompt = _question(line)
            if what == "road":
                self._hand_over(line)
            elif sort == "none":
                self._show(line, prompt)
            else:
                self._answer(line, sort, prompt)
        except (OSError, ValueError):
            line.close()  # ssh ended its helper
        except Exception as error:  # the login's own thread raises it
            self.trouble = error
            line.close()
        finally:
            self._waiting.discard(line)

    def _hand_over(self, line: socket.socket) -> None:
        with line:
            if self._road is not None:
                socket.send_fds(line, [b"\0"], [self._road.fileno()])

    def _show(self, line: socket.socket, prompt: str) -> None:
        """A key wants to be touched: ssh ends the helper, and with it the line, when it was."""
        self._held.append(line)
        self._progress.note(sanitise(prompt, 500).strip())
        line.recv(1)

    def _answer(self, line: socket.socket, sort: str, prompt: str) -> None:
        with self._turn:
            self.before_asking()
            said = self._person(sort, sanitise(prompt, 2000))
        if said is None and not _OF_A_KEY.match(prompt):
            self._held.append(line)  # what ssh took for an empty answer it would send to the host
            self.unanswered = self.unanswered or prompt
            return
        with line:
            if said is not None:
                self.answers += not _OF_A_KEY.match(prompt)
                line.sendall(b"+" + said.encode())

    def _person(self, sort: str, prompt: str) -> str | None:
        if prompt in self._asked:
            self._progress.warn("that was not right, please try again")
        self._asked.add(prompt)
        try:
            shown = sort == "confirm" or HOST_KEY.search(prompt)
            return self._ask.text(prompt) if shown else self._ask.secret(prompt)
        except GpuwsError as error:
            if error.code != "prompt-needed":
                raise
            return None


def _question(line: socket.socket) -> tuple[str, str, str]:
    """(what is wanted, what sort of question it is for ssh, its text). Raises ValueError."""
    said = b""
    while said.count(b"\0") < 3 and len(said) < _MOST and (block := line.recv(4096)):
        said += block
    what, sort, prompt, _ = said.decode("utf-8", "replace").split("\0")
    return what, sort, prompt


@contextlib.contextmanager
def desk(road: Wire | None, ask: Ask, progress: Progress) -> Iterator[Desk]:
    """Its folder is gone after the block."""
    folder = Path(tempfile.mkdtemp(prefix="gpuws-", dir=short_place()))
    try:
        opened = Desk(folder, road, ask, progress)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def short_place() -> str:
    """Where a folder of ours can have sockets: their paths end at 107 bytes."""
    place = tempfile.gettempdir()
    return place if len(os.fsencode(place)) + 16 <= _LONGEST else "/tmp"  # noqa: S108


def _listen(path: str) -> socket.socket:
    """The folder is 0700 already; so nobody else comes between bind and chmod."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    Path(path).chmod(0o600)
    listener.listen(8)
    return listener
