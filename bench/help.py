"""`gpuws --help` beside `python -c "import typer"`, and the interpreter alone."""

from __future__ import annotations

import functools
import os
import statistics
import sys
from pathlib import Path

from bench import _figures


def main() -> None:
    count = _figures.runs(__doc__, 40)
    env = _figures.as_installed(os.environ)
    sides = {
        "gpuws --help": [str(Path(sys.executable).parent / "gpuws"), "--help"],
        "import typer": [sys.executable, "-c", "import typer"],
        "interpreter": [sys.executable, "-c", "pass"],
    }
    _figures.heading("gpuws --help", count)
    _figures.commands(sides, {str(Path(sys.executable).parent) + "/": ""})
    figures = _figures.in_turns(
        count, {name: functools.partial(_figures.took, words, env) for name, words in sides.items()}
    )
    base = figures["import typer"]
    rows = [
        (name, _figures.spread(found), f"{_figures.ratio(found, base):.2f}")
        for name, found in figures.items()
    ]
    _figures.table(("command", "seconds, median (quartiles)", "ratio to import typer"), rows)
    measured = statistics.median(figures["gpuws --help"]) / statistics.median(base)
    _figures.goals([_figures.Goal("gpuws --help / import typer", measured, 1.5, "×")])


if __name__ == "__main__":
    main()
