"""Entry point of the ``gpuws`` command and of ``python -m gpuws``."""

from __future__ import annotations

import sys


def main() -> None:
    from gpuws.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
