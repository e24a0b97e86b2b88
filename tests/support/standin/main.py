"""Which tool this is called as, and the call log."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    log = os.environ.get("GPUWS_TEST_CALLS")
    if log:
        with Path(log).open("a") as file:
            file.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")
    if Path(sys.argv[0]).name == "conda":
        from .conda import main as tool
    else:
        from .mm import main as tool
    status = tool(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # rattler's threads may still hold a fault that hangs
