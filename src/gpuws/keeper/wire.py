"""The local socket between a view and the keeper: one JSON object or one data block a message.

A Unix socket in a 0700 folder, a named pipe on Windows; `multiprocessing.connection` does both.
Data blocks start with a byte below 0x20, JSON with "{".
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import threading
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from gpuws import places

STDIN, STDOUT, STDERR = b"\x00", b"\x01", b"\x02"
_WINDOWS = sys.platform == "win32"
_LONGEST_SOCKET = 100  # bytes; the kernel's limit is 107, 103 on macOS


def key_of(host: str, ssh_config: str | None, port: int | None) -> str:
    """One keeper per host: the same alias through another ssh configuration is another host."""
    text = json.dumps([host, ssh_config, port, str(places.state())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def address(key: str) -> str:
    if _WINDOWS:
        return rf"\\.\pipe\gpuws-{key}"
    return str(run_folder() / f"{key}.sock")


def known() -> list[str]:
    """The keys of all keepers that are or were there."""
    if _WINDOWS:  # pathlib does not list pipes
        named = (name for name in os.listdir(r"\\.\pipe") if name.startswith("gpuws-"))  # noqa: PTH208
        return [name.removeprefix("gpuws-") for name in named]
    return [file.stem for file in run_folder().glob("*.sock")]


def run_folder() -> Path:
    """An own 0700 folder for sockets, which is made where it is missing."""
    return places.private(run_path())


def run_path() -> Path:
    """Where it is: under the state folder, or a short path beside /tmp."""
    folder = places.state() / "run"
    if len(os.fsencode(folder)) + 22 > _LONGEST_SOCKET:
        tag = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
        uid = os.getuid() if hasattr(os, "getuid") else 0
        folder = Path(tempfile.gettempdir()) / f"gpuws-{uid}-{tag}"
    return folder


def listen(key: str) -> Listener:
    """Bind, or raise FileExistsError when a live keeper has the address."""
    where = address(key)
    if not _WINDOWS:
        _clear_stale(where)
    old = os.umask(0o177)
    try:
        return Listener(where, family="AF_PIPE" if _WINDOWS else "AF_UNIX", backlog=16)
    except OSError as error:
        raise FileExistsError(where) from error
    finally:
        os.umask(old)


def _clear_stale(where: str) -> None:
    try:
        Client(where, family="AF_UNIX").close()
    except FileNotFoundError:
        return
    except OSError:
        Path(where).unlink(missing_ok=True)
        return
    raise FileExistsError(where)


def dial(key: str) -> Wire | None:
    """A connection to the live keeper of this host, or None. Nothing is made for that."""
    if not _WINDOWS and not os.path.lexists(run_path()):
        return None
    try:
        return Wire(Client(address(key), family="AF_PIPE" if _WINDOWS else "AF_UNIX"))
    except (OSError, EOFError):
        return None


class Wire:
    """One connection. Sending is locked: several threads of the keeper report on it."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        self.send_block(json.dumps(message).encode())

    def send_block(self, block: bytes) -> None:
        with self._lock:
            self._connection.send_bytes(block)

    def receive(self) -> bytes | None:
        """The next message, None at the end."""
        try:
            return self._connection.recv_bytes(8 << 20)
        except (EOFError, OSError):
            return None

    def wait(self, seconds: float) -> bool:
        """Whether a message (or the end) is there within ``seconds``."""
        try:
            return self._connection.poll(seconds)
        except (EOFError, OSError):
            return True

    def close(self) -> None:
        self._connection.close()


def is_json(block: bytes) -> bool:
    return block[:1] == b"{"


def parse(block: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(block)
    return message
