"""One command or shell of the demo's embedded server, with or without a terminal."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, cast

from paramiko.channel import Channel

from gpuws.host.demo_login import user_name

_CHUNK = 65536
_WITH_TERMINAL = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes stdin the controlling terminal; done after exec, since a fork with threads must not."""


class Session:
    """Collects requests until exec or shell orders the start; then the streams run by themselves.

    ``command``: None until ordered, "" for a login shell.
    """

    def __init__(self, channel: Channel, env: dict[str, str]) -> None:
        self._channel = channel
        self._env = {**env, "SHELL": "/bin/sh", "USER": user_name(), "LOGNAME": user_name()}
        self._size: tuple[int, int] | None = None
        self._master = -1
        self._started = False
        self.command: str | None = None
        self.over = False

    def accept_variable(self, name: str, value: str) -> bool:
        wanted = name == "LANG" or name.startswith("LC_")
        if wanted:
            self._env[name] = value
        return wanted

    def use_terminal(self, term: str, columns: int, rows: int) -> None:
        self._size = (columns, rows)
        self._env["TERM"] = term

    def resize(self, columns: int, rows: int) -> None:
        if self._master >= 0:
            _set_size(self._master, columns, rows)

    def start_if_ordered(self) -> bool:
        if self.command is None or self._started:
            return False
        self._started = True
        threading.Thread(target=self._live, name="demo-session", daemon=True).start()
        return True

    def _live(self) -> None:
        try:
            status = self._on_terminal(*self._size) if self._size else self._on_pipes()
            self._channel.send_exit_status(status if status >= 0 else 128 - status)
            self._channel.shutdown_write()
        except (OSError, EOFError):
            pass  # the other side has gone
        finally:
            self.over = True
            self.close()

    def close(self) -> None:
        close_quietly(self._channel)

    def _argv(self) -> list[str]:
        return ["/bin/sh", "-c", self.command] if self.command else ["/bin/sh", "-l"]

    # --- without a terminal -----------------------------------------------------------------------

    def _on_pipes(self) -> int:
        process = subprocess.Popen(
            self._argv(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=self._env["HOME"],
            env=self._env,
            start_new_session=True,
        )
        stdin, stdout, stderr = map(_pipe, (process.stdin, process.stdout, process.stderr))
        _thread(_copy, self._channel.recv, stdin.write, stdin.close)
        out = _thread(_copy, stdout.read, self._channel.sendall, stdout.close)
        err = _thread(_copy, stderr.read, self._channel.sendall_stderr, stderr.close)
        out.join()  # as sshd: a background child that holds stdout keeps the channel open
        err.join()
        return process.wait()

    # --- with one ---------------------------------------------------------------------------------

    def _on_terminal(self, columns: int, rows: int) -> int:
        import pty

        self._master, slave = pty.openpty()
        _set_size(self._master, columns, rows)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _WITH_TERMINAL, *self._argv()],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                cwd=self._env["HOME"],
                env={**self._env, "SSH_TTY": os.ttyname(slave)},
                start_new_session=True,
            )
        finally:
            os.close(slave)
        _thread(_copy, self._channel.recv, self._type, _nothing)
        self._show(process)
        return process.wait()

    def _type(self, data: bytes) -> object:
        return os.write(self._master, data)

    def _show(self, process: subprocess.Popen[bytes]) -> None:
        """Until the shell has ended and its last words are read, or the other side is gone."""
        try:
            while not self._channel.closed:
                ready, _, _ = select.select([self._master], [], [], 0.1)
                if ready:
                    data = os.read(self._master, _CHUNK)
                    if not data:
                        return
                    self._channel.sendall(data)
                elif process.poll() is not None:
                    return
        except OSError:  # on Linux the end of a terminal is EIO
            return
        finally:
            master, self._master = self._master, -1
            os.close(master)


def _nothing() -> None:
    """An EOF alone (ssh -n) does not end a terminal; the channel's end does, in _show."""


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)  # asked for, so it is there


def close_quietly(channel: Channel) -> None:
    """Closing sends a message, which fails where the connection has gone first."""
    with contextlib.suppress(OSError, EOFError):
        channel.close()


def _thread(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def _copy(
    read: Callable[[int], bytes | None], write: Callable[[bytes], object], end: Callable[[], None]
) -> None:
    with contextlib.suppress(OSError, EOFError, ValueError):
        while data := read(_CHUNK):
            write(data)
    with contextlib.suppress(OSError):
        end()


def _set_size(terminal: int, columns: int, rows: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
