"""``python -m gpuws.keeper KEY``: bind, say so on stdout, serve."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys

from gpuws import places
from gpuws.keeper import wire

# paramiko.config imports invoke for `Match exec`, which `ssh -G` does for us: 50 ms and 7 MB.
sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]


def main() -> int:
    key = sys.argv[1]
    try:
        listener = wire.listen(key)
    except FileExistsError:
        print("ready", flush=True)  # noqa: T201 - another keeper won the race; it serves
        return 0
    print("ready", flush=True)  # noqa: T201 - the one word that the view waits for
    _leave_the_terminal(key)
    from gpuws.keeper.server import Keeper

    Keeper().serve(listener)
    return 0


def _leave_the_terminal(key: str) -> None:
    """Nothing of the keeper may hold the view's pipes or die with its terminal."""
    folder = places.private(places.state() / "logs")
    handler = logging.handlers.RotatingFileHandler(
        folder / f"keeper-{key}.log", maxBytes=1 << 20, backupCount=1, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # a failed dial is a traceback of paramiko's, and sshtunnel tells of a gateway that is not used
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    logging.getLogger("gpuws.tunnel").setLevel(logging.WARNING)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
