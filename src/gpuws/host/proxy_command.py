"""A ProxyCommand: the user's own line for a shell, whose death is noticed and explained."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import sanitise
from gpuws.host.wire import Wire
from gpuws.plan.model import Profile

_KEPT = 8 << 10  # bytes of its stderr


def start(profile: Profile, command: str) -> Wire:
    """The command on one end of a socket pair: its death is the end of the wire, at once."""
    ours, theirs = socket.socketpair()
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(  # noqa: S602 (as ssh: the user's own line, for a shell)
            f"exec {command}" if os.name == "posix" else command,
            shell=True,
            executable=shell if os.name == "posix" and os.access(shell, os.X_OK) else None,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        ours.close()
        raise _failed(profile, str(error), "") from None
    finally:
        theirs.close()
    words = _Words(process)
    wire = Wire(ours, name=f"{profile.hostname} through ProxyCommand", on_close=words.end)
    wire.explain = words.text
    return wire


class _Words:
    """Reads a proxy command's stderr to its end, keeps the first part, reaps the process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def text(self) -> str:
        self._reader.join(0.3)
        status = self._process.poll()
        said = sanitise(self._kept).strip()
        return said or ("" if status is None else f"it ended with status {status}")

    def end(self) -> None:
        """It has its end of file; a moment to leave by itself, then it is killed and reaped."""
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101 (stderr=PIPE above)
        with contextlib.suppress(OSError, ValueError), stream:
            while block := os.read(stream.fileno(), 4096):
                self._kept = (self._kept + block)[:_KEPT]
        self._process.wait()


def failed(profile: Profile, wire: Wire) -> GpuwsError:
    """The error for a wire whose proxy command ended before SSH was spoken."""
    return _failed(profile, wire.explain(), profile.proxy_command or "")


def _failed(profile: Profile, said: str, command: str) -> GpuwsError:
    first = said.splitlines()[0] if said else "it ended without a word"
    return GpuwsError(
        "proxy-command-failed",
        f"the ProxyCommand for {profile.alias} failed on this machine: {first}",
        hint=f"try it by hand: {command}" if command else "see ProxyCommand in your ssh config",
        stage="connect",
        detail=said,
        retryable=True,
    )
