"""What a person sees while a verb runs: plain lines, a live panel on a terminal, or nothing.

Talk goes to stderr, data to stdout. What a host printed is made inert before it is shown.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from gpuws import advised
from gpuws.errors import prompt_needed
from gpuws.host.sanitise import sanitise
from gpuws.keeper import wire as wires
from gpuws.plan.forwards import words

_QUIET_FOR = 15.0  # seconds between two progress lines off a terminal

STAGES = {
    "connect": "connecting",
    "probe": "looking at the host",
    "tmux": "tmux",
    "solve": "solving",
    "fetch": "fetching here",
    "send": "sending",
    "environment": "environment",
    "session": "session",
    "tunnel": "tunnel",
    "frameworks": "asking for the cards",
    "pack": "packing",
    "unpack": "unpacking",
}


def encodable(text: str, stream: TextIO) -> str:
    """``text`` with what a legacy code page cannot print replaced by plain ASCII."""
    encoding = stream.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for fancy, plain in (("…", "..."), ("·", "-"), ("→", "->"), ("✓", "ok"), ("•", "*")):
            text = text.replace(fancy, plain)
        return text.encode(encoding, "replace").decode(encoding)
    return text


class Plain:
    """Lines on stderr: off a terminal, in scripts, with --json."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        no_input: bool = False,
        verbose: int = 0,
        scripted: bool = False,
    ) -> None:
        """``scripted``: a program reads the answer."""
        self._quiet = quiet
        self._advises = not (quiet or scripted)
        self._patience = 0.0 if verbose else _QUIET_FOR
        self._no_input = no_input or not sys.stdin.isatty()
        self._begun = time.monotonic()
        self._said = self._begun

    # --- Progress ------------------------------------------------------------------------------

    def stage(self, name: str, detail: str = "") -> None:
        self._begin_stage(name, detail)

    def line(self, text: str) -> None:
        if not text:
            self.look_for_the_reader()
        elif time.monotonic() - self._said >= self._patience:
            self.talk(f"  {self._elapsed()}  {sanitise(text)}")

    def look_for_the_reader(self) -> None:
        """`gpuws logs -f | head -1`: a pipe that nobody reads says so only when it is asked."""
        import select

        if not hasattr(select, "poll"):
            return
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            raise BrokenPipeError

    def note(self, text: str) -> None:
        self.talk(f"note: {sanitise(text)}")

    def warn(self, text: str) -> None:
        self.talk(f"warning: {sanitise(text)}")

    def advise(self, about: str, *lines: str) -> None:
        if self._advises and advised.first_time(about):
            for line in lines:
                self.talk(sanitise(line))

    def _begin_stage(self, name: str, detail: str) -> None:
        self.talk(f"{self._elapsed()}  {STAGES.get(name, name)}  {sanitise(detail)}".rstrip())

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._begun:5.1f}s"

    def talk(self, text: str) -> None:
        """One line on stderr. A closed stderr is no reason to fail."""
        self._said = time.monotonic()
        if self._quiet:
            return
        with contextlib.suppress(OSError, ValueError):
            print(encodable(text, sys.stderr), file=sys.stderr, flush=True)  # noqa: T201

    # --- Ask -----------------------------------------------------------------------------------

    def secret(self, prompt: str) -> str:
        self._refuse(prompt)
        with self.pause():
            return getpass.getpass(encodable(sanitise(prompt), sys.stderr))

    def text(self, prompt: str) -> str:
        self._refuse(prompt)
        with self.pause():
            print(encodable(sanitise(prompt), sys.stderr), end="", file=sys.stderr, flush=True)  # noqa: T201
            return sys.stdin.readline().rstrip("\n")

    def confirm(self, question: str, *, flag: str) -> bool:
        self._refuse(question, flag)
        return self.text(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    def touch(self, what: str) -> None:
        self.note(what)

    @property
    def answers(self) -> bool:
        """Whether a person is there to be asked."""
        return not self._no_input

    def _refuse(self, prompt: str, flag: str = "") -> None:
        if self._no_input:
            raise prompt_needed(sanitise(prompt), flag)

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """The live display steps aside for a question."""
        yield

    def close(self) -> None:
        """The end of the display."""

    # --- Terminal ------------------------------------------------------------------------------

    def size(self) -> tuple[int, int] | None:
        if not sys.stdout.isatty():
            return None
        found = os.get_terminal_size()
        return found.columns, found.lines

    def show_block(self, block: bytes) -> None:
        """Output of exec, shell and logs, as it is."""
        stream = sys.stderr if block[:1] == wires.STDERR else sys.stdout
        stream.buffer.write(block[1:])
        stream.flush()


def live(*, no_input: bool) -> Plain:
    """The panel of a terminal (rich is imported only here)."""
    from gpuws.panel import Live

    return Live(no_input=no_input)


def facts_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows that tell what `up` or `attach` brought."""
    environment = result["environment"]
    gpus = result["gpus"]
    rows = [("workspace", result["workspace"])]
    if result["url"]:
        rows.append(("JupyterLab", result["url"]))
    rows.append(("folder", result["dir"]))
    made = f"{environment['tool']} {environment['prefix']} ({environment['action']})"
    rows.append(("environment", made.strip()))
    rows.append(("GPUs", "all visible" if gpus is None else ", ".join(map(str, gpus)) or "none"))
    return rows


def forwards_of(listed: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """One row for each forward beside Jupyter's."""
    return [("forward", f"{each['name']}: {words(each)}") for each in listed]
