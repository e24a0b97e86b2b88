"""One solve in a process of its own: a Wanted as JSON on stdin, a Solution or an error on stdout.

py-rattler's threads may abort the interpreter while it ends; here nobody is hurt by that, and the
memory that a large channel takes (some 500 MB for conda-forge) goes at once.
"""

from __future__ import annotations

import json
import os
import sys

from gpuws.errors import GpuwsError
from gpuws.plan.codec import decode, encode
from gpuws.solving.solve import solve
from gpuws.solving.wanted import Wanted


def _answer() -> dict[str, object]:
    try:
        return {"solution": encode(solve(decode(Wanted, json.load(sys.stdin))))}
    except GpuwsError as error:
        names = ("code", "message", "hint", "stage", "detail", "retryable")
        return {"error": {name: getattr(error, name) for name in names}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer()))
    sys.stdout.flush()
    os._exit(0)
