"""A script whose stdin stays open: exec, shell, logs -f. With a terminal or without."""

from __future__ import annotations

import secrets
import shlex
import threading
import time
from collections.abc import Callable

from gpuws.host.carrier import SessionChannel
from gpuws.host.sanitise import sanitise
from gpuws.host.session import lost, no_answer, no_commands, too_slow
from gpuws.plan.ports import Script

_START = 20.0  # seconds until the login shell has run our command


class ScriptProcess:
    """The Process port. What the login shell's start-up files print is dropped."""

    def __init__(
        self,
        channel: SessionChannel,
        script: Script,
        args: tuple[str, ...],
        *,
        pty: tuple[int, int] | None,
        term: str,
    ) -> None:
        self._channel = channel
        self._name = script.name
        self._mark = secrets.token_hex(16).encode()
        self._rest: bytes | None = None  # output that came right behind the mark
        text = _text(script, args)
        if pty is not None:
            channel.want_terminal(term or "xterm", *pty)
        channel.start(_command(len(text), self._mark.decode(), terminal=pty is not None))
        if pty is not None:
            # a terminal would echo and cook the script until stty has run: wait for that
            self._rest = self._await_mark()
        self._give(text)

    def _give(self, text: bytes) -> None:
        """A host that ended it already has said why, which ``pump`` tells."""
        self._channel.settimeout(_START)
        try:
            self._channel.sendall(text)
        except TimeoutError:
            raise too_slow("the start of the login shell", _START) from None
        except (OSError, EOFError):
            return
        self._channel.settimeout(None)

    def send(self, data: bytes) -> None:
        self._channel.sendall(data)

    def send_eof(self) -> None:
        self._channel.shutdown_write()

    def resize(self, columns: int, rows: int) -> None:
        self._channel.resize(columns, rows)

    def pump(self, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> int:
        """Deliver output until the end; raises connection-lost, remote-shell."""
        one_at_a_time = threading.Lock()
        arguments = (err, one_at_a_time)
        errors = threading.Thread(target=self._copy_errors, args=arguments, daemon=True)
        errors.start()
        rest = self._await_mark() if self._rest is None else self._rest
        self._channel.settimeout(None)
        try:
            while True:
                if rest:
                    with one_at_a_time:
                        out(rest)
                rest = self._channel.recv(64 << 10)
                if not rest:
                    break
        except EOFError:
            raise lost(self._name) from None
        errors.join(2)
        status = self._channel.outcome(5.0)
        if status is None:
            raise lost(self._name)
        return status

    def close(self) -> None:
        self._channel.close()

    def _await_mark(self) -> bytes:
        """Read up to the mark; what follows it is the script's own output."""
        deadline = time.monotonic() + _START
        line = self._mark + b"\n"
        early = seen = b""
        while line not in seen:
            self._channel.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                block = self._channel.recv(64 << 10)
            except TimeoutError:
                raise too_slow("the start of the login shell", _START) from None
            if not block and not self._channel.connected():
                raise lost(self._name)
            if self._channel.refused:
                raise no_commands("it refuses to run any")
            if not block:
                status = self._channel.outcome(2.0)
                raise no_answer(self._name, False, sanitise(early).strip(), status)
            early = early or block
            seen = seen[-len(line) :] + block
        return seen.partition(line)[2]

    def _copy_errors(self, err: Callable[[bytes], None], one_at_a_time: threading.Lock) -> None:
        try:
            while block := self._channel.recv_stderr(64 << 10):
                with one_at_a_time:
                    err(block)
        except (OSError, EOFError):
            return


def _text(script: Script, args: tuple[str, ...]) -> bytes:
    quoted = " ".join(shlex.quote(arg) for arg in args)
    return f"set -- {quoted}\n(\n{script.text}\n)\nexit $?\n".encode()


def _command(size: int, mark: str, *, terminal: bool) -> str:
    """For any login shell: no quote inside the quotes, no character that fish or tcsh expand."""
    say = f'printf "\\n%s\\n" {mark}'
    read = f'"$(dd bs=1 count={size} 2>/dev/null)"'
    if not terminal:
        return f"exec /bin/sh -c '{say}; eval {read}'"
    raw = "kept=$(stty -g); stty raw -echo"
    return f'exec /bin/sh -c \'{raw}; {say}; text={read}; stty "$kept"; eval "$text"\''
