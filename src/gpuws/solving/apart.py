"""Solve in a child process. Nothing here imports a solver."""

from __future__ import annotations

import json
import subprocess
import sys

from gpuws.errors import GpuwsError
from gpuws.plan.codec import decode, encode
from gpuws.solving.wanted import Solution, Wanted


def solved(wanted: Wanted) -> Solution:
    """Raises no-solver, unsatisfiable, package-not-found, channel-unreachable,
    environment-file-invalid, environment-failed."""
    done = subprocess.run(
        [sys.executable, "-m", "gpuws.solving"],
        input=json.dumps(encode(wanted)),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise GpuwsError(
            "environment-failed",
            f"the solver ended with status {done.returncode} and no answer",
            hint="run it again; where it is out of memory, close something",
            stage="environment",
            detail=done.stderr[-4000:],
        ) from None
    if "error" in answer:
        raise GpuwsError(**answer["error"])
    return decode(Solution, answer["solution"])
