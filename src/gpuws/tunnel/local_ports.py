"""Which port of the laptop is free, and who holds one that is not."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"

_LOWEST = 1024  # below, a listener needs privileges that a tunnel should not have
_HIGHEST = 65535
_NEIGHBOURS = 200  # ports tried after the wanted one before the system chooses


def candidates(wanted: int) -> Iterator[int]:
    """``wanted`` and the ports after it that are free now, then 0: let the system choose."""
    first = max(wanted, _LOWEST)
    for port in range(first, min(first + _NEIGHBOURS, _HIGHEST + 1)):
        if is_free(port):
            yield port
    yield 0


def is_free(port: int, *, ask: bool = sys.platform != "linux") -> bool:
    """Neither 127.0.0.1 nor a wildcard listener holds this port.

    Linux refuses to bind where a wildcard listener is; other systems let both be, and the older
    one goes silent. There (``ask``) a connection is tried as well.
    """
    with socket.socket() as probe:
        if os.name != "nt":  # as the listener will: a port in TIME_WAIT is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return not (ask and _answers(port))


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=0.2).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """ "name (pid N)" of the process that listens on this port, "" where that is not known.

    Source: /proc, so Linux only, and only processes of the same user.
    """
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not wanted:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        if _holds(process, wanted):
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            return f"{name} (pid {process.name})"
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in rows(table):
            if row[3] == "0A" and row[1].endswith(f":{port:04X}"):  # 0A: LISTEN
                yield row[9]


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in sockets for link in (process / "fd").iterdir())
    except OSError:  # gone, or another user's
        return False


def rows(table: str) -> list[list[str]]:
    """The kernel's socket table as words: [slot, local, remote, state, …, uid 7, …, inode 9]."""
    try:
        lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    return [words for words in map(str.split, lines) if len(words) > 9]
