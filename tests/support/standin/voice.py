"""What the tool says: text to stdout, log lines to stderr, or one JSON object at the end."""

from __future__ import annotations

import json
import sys


class Failed(Exception):
    """The command ends here with this exit status; ``text`` was not yet said."""

    def __init__(self, text: str = "", status: int = 1, tree: str = "") -> None:
        super().__init__(text)
        self.text, self.status, self.tree = text, status, tree


class Voice:
    """``name`` is what log lines carry, as in ``critical libmamba text``."""

    def __init__(self, *, json_output: bool = False, quiet: bool = False) -> None:
        self.json_output = json_output
        self.quiet = quiet
        self.answer: dict[str, object] = {}
        self._history: list[dict[str, str]] = []

    @property
    def silent(self) -> bool:
        return self.json_output or self.quiet

    def out(self, text: str = "") -> None:
        if not self.silent:
            print(text, flush=True)

    def log(self, level: str, text: str) -> None:
        self._history.append({"level": level, "message": text})
        if not self.silent or level == "critical":
            print(f"{level:<8} libmamba {text}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """The one JSON object of --json."""
        if self.json_output:
            print(json.dumps({**self.answer, "log_history": self._history}, indent=4))
