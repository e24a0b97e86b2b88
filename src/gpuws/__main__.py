"""Entry point of the ``gpuws`` command and of ``python -m gpuws``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    _open_what_is_closed()
    from gpuws.cli import run

    sys.exit(run(sys.argv[1:]))


def _open_what_is_closed() -> None:
    """`gpuws ... <&- >&- 2>&-`: the next socket would else be taken for one of the streams."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


if __name__ == "__main__":
    main()
