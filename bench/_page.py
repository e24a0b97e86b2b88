"""Runs every benchmark and writes docs/benchmarks.md from what they print.

python3 dev.py bench               # all of them: more than an hour, on a machine with nothing else
python3 dev.py bench --runs 3      # a quick look, on stdout only
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs/benchmarks.md"
PARTS: tuple[tuple[str, ...], ...] = (
    ("help",),
    ("known_hosts",),
    ("attach",),
    ("up",),
    ("browser",),
    ("session",),
    ("keeper",),
    ("tunnel",),
    ("bridge",),
    ("healing",),
    ("push",),
)
_HEAD = """\
# Benchmarks

Written by `python3 dev.py bench` in one run: gpuws and what one would use instead take turns on the
same machine, against the same OpenSSH server. A round trip of 100 ms is made by a proxy on this
machine that delays both directions by 50 ms; the proxy is also there at 0 ms, on both sides, where
a section does not say otherwise. All figures are medians with their quartiles. No time is a test: a
missed goal is shown here as missed.
"""


def main() -> None:
    options = sys.argv[1:]
    sections = [_HEAD.rstrip()]
    for part in PARTS:
        print(f"bench {' '.join(part)}", file=sys.stderr)
        sections.append(_section(part, options))
        if not options:  # after each part: an interrupted run keeps what it has measured
            PAGE.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    if options:
        print("\n\n".join(sections))


def _section(part: tuple[str, ...], options: list[str]) -> str:
    """What one benchmark printed. One that fails says so on the page."""
    command = [sys.executable, "-m", f"bench.{part[0]}", *part[1:], *options]
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
    text = done.stdout.strip()
    if not text.startswith("#"):
        text = f"## {' '.join(part)}\n\n{text}"
    return text if done.returncode == 0 else f"{text}\n\n**It failed** ({done.returncode})."


if __name__ == "__main__":
    main()
