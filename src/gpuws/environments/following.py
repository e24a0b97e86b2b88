"""The log of a build, line by line, for as long as it runs."""

from __future__ import annotations

import time

from gpuws.environments.order import BuildOrder
from gpuws.environments.progress import Lines
from gpuws.host.script import fields
from gpuws.plan.ports import Host, Progress, Script

_POLL = 10.0  # seconds that the host waits for news before it answers
_GATHER = 0.3  # seconds in which lines may gather, so that a fast build is not a call a line

Answers = dict[str, list[str]]


def follow(
    host: Host, program: Script, order: BuildOrder, progress: Progress, *, shared: str = ""
) -> Answers:
    """Log lines into progress until the build has ended; the host waits, so polls are few.

    ``program`` is follow.sh, ``shared`` the root where somebody else builds. What it says last.
    """
    lines, offset = Lines(order.choice.tool), 0
    while True:
        asked = (order.root, order.hash, str(offset), str(int(_POLL)), shared)
        answers = fields(host.run(program, *asked, timeout=_POLL + 60), "environment")
        for text in answers.get("log", ()):
            shown = lines.read(text)
            if shown:
                progress.line(shown)
        offset = _number(last(answers, "offset"))
        if last(answers, "state") != "running" or "dead" in answers:
            return answers
        if answers.get("log"):
            time.sleep(_GATHER)


def last(answers: Answers, key: str) -> str:
    """The last value of a key, "" where there is none."""
    return answers.get(key, [""])[-1]


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 12 else 0
