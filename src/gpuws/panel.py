"""The live panel on a terminal: stages with elapsed time, then the workspace and its keys."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gpuws.host.sanitise import sanitise
from gpuws.plan.codec import decode
from gpuws.plan.healing import words
from gpuws.plan.open_ports import OpenPort, offer
from gpuws.report import STAGES, Plain, encodable, facts_of, forwards_of


@dataclass
class _Stage:
    name: str
    detail: str
    begun: float
    seconds: float | None = None


class Live(Plain):
    """Stages above, the newest line of the running one below. Never markup: text is inert."""

    def __init__(self, *, no_input: bool = False) -> None:
        super().__init__(no_input=no_input)
        self._console = Console(stderr=True, highlight=False)
        self._stages: list[_Stage] = []
        self._latest = ""
        self._live: RichLive | None = None
        self._ready: RenderableType | None = None

    def stage(self, name: str, detail: str = "") -> None:
        now = time.monotonic()
        self._finish(now)
        self._stages.append(_Stage(name, sanitise(detail), now))
        self._latest = ""
        self._show()

    def line(self, text: str) -> None:
        self._latest = sanitise(text)
        self._show()

    def talk(self, text: str) -> None:
        self._console.print(Text(encodable(text, sys.stderr)))

    def _finish(self, now: float) -> None:
        if self._stages and self._stages[-1].seconds is None:
            self._stages[-1].seconds = now - self._stages[-1].begun

    def _show(self) -> None:
        if self._live is None:
            self._live = RichLive(
                console=self._console,
                get_renderable=self._render,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()

    def _render(self) -> RenderableType:
        if self._ready is not None:
            return self._ready
        table = Table.grid(padding=(0, 2))
        for stage in self._stages:
            seconds = stage.seconds or time.monotonic() - stage.begun
            mark: RenderableType = Text("  ✓" if self._unicode() else " ok", style="green")
            if stage.seconds is None:
                mark = Spinner("dots" if self._unicode() else "line", style="cyan")
            name = Text(STAGES.get(stage.name, stage.name))
            detail = Text(stage.detail, style="dim", overflow="ellipsis", no_wrap=True)
            table.add_row(mark, name, Text(f"{seconds:5.1f} s", style="dim"), detail)
        latest = Text(f"     {self._latest}", style="dim", overflow="ellipsis", no_wrap=True)
        return Group(table, latest)

    def _unicode(self) -> bool:
        return (sys.stderr.encoding or "").lower().startswith("utf")

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        if self._live:
            self._live.stop()
            self._live = None
        with _line_by_line():
            yield
        self._show()

    def close(self) -> None:
        if self._live:
            self._finish(time.monotonic())
            self._live.transient = self._ready is not None
            self._live.stop()
            self._live = None

    # --- after it is ready -----------------------------------------------------------------------

    def watch(self, result: dict[str, Any], health: dict[str, Any], said: str) -> None:
        """The workspace, its tunnel's health, and the keys."""
        self._finish(time.monotonic())
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        for label, value in facts_of(result):
            table.add_row(label, Text(sanitise(value), overflow="fold"))
        for card in health.get("gpus", ()):
            table.add_row("GPU", Text(card_text(card)))
        tunnel = words(health) if health.get("state") else "open"
        table.add_row("tunnel", Text(sanitise(tunnel), overflow="fold"))
        for label, value in forwards_of(health.get("forwards", result["forwards"])):
            table.add_row(label, Text(encodable(sanitise(value), sys.stderr), overflow="fold"))
        for each in health.get("ports", ()):
            offered = offer(decode(OpenPort, each), result["workspace"])
            table.add_row("noticed", Text(sanitise(offered), overflow="fold"))
        keys = Text("o open · c copy the URL · q leave (Jupyter goes on)", style="dim")
        lines: list[RenderableType] = [table, Text(""), Text(encodable(keys.plain, sys.stderr))]
        if said:
            lines.append(Text(sanitise(said), style="cyan"))
        self._ready = Group(*lines)
        self._show()


@contextlib.contextmanager
def _line_by_line() -> Iterator[None]:
    """An answer is seen and can be corrected, also where single keys are read at other times."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    lines = list(before)
    lines[0] |= termios.ICRNL
    lines[3] |= termios.ICANON | termios.ECHO | termios.ISIG
    termios.tcsetattr(fd, termios.TCSADRAIN, lines)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def card_text(card: dict[str, Any]) -> str:
    """One card on one line; who else is on it is what people ask in the chat."""
    use = f"{card['utilisation']} %" if card["utilisation"] >= 0 else "?"
    users = f", used by {', '.join(card['users'])}" if card["users"] else ""
    memory = f"{card['memory_used']}/{card['memory_total']} MiB"
    return sanitise(f"{card['index']} {card['name']}  {memory}, {use}{users}")
