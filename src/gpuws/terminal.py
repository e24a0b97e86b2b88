"""The laptop's terminal for exec and shell: raw mode, keystrokes, window size."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from gpuws.keeper import wire as wires
from gpuws.keeper.conversation import give
from gpuws.plan.ports import Process
from gpuws.report import Plain


class Typing:
    """While it is entered, what is typed (or piped) goes to ``send``; b"" is the end of input."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        resize: Callable[[int, int], None],
        *,
        raw: bool,
    ) -> None:
        self._send = send
        self._resize = resize
        self._raw = raw and sys.stdin.isatty()
        self._restore: Callable[[], None] = lambda: None

    def __enter__(self) -> Typing:
        if self._raw and sys.platform != "win32":
            self._make_raw()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def _make_raw(self) -> None:
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        tty.setraw(fd)
        old = signal.signal(signal.SIGWINCH, lambda *_: self._resized())

        def restore() -> None:
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, old)

        self._restore = restore

    def _resized(self) -> None:
        with contextlib.suppress(OSError):
            size = os.get_terminal_size()
            self._resize(size.columns, size.lines)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            fd = sys.stdin.fileno()
            while data := os.read(fd, 65536):
                self._send(data)
            self._send(b"")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()


class LocalTerminal:
    """The Terminal port where the journey runs in the view's own process."""

    def __init__(self, person: Plain) -> None:
        self._person = person

    def size(self) -> tuple[int, int] | None:
        return self._person.size()

    def write(self, data: bytes) -> None:
        self._person.show_block(wires.STDOUT + data)

    def run_process(self, process: Process) -> int:
        with Typing(lambda data: give(process, data), process.resize, raw=self.size() is not None):
            return process.pump(
                self.write, lambda data: self._person.show_block(wires.STDERR + data)
            )

    def close(self) -> None:
        """Nothing to release: Typing restores the terminal."""
