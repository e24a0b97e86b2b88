"""The pip section of an environment.yml, run as each tool runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from . import activation
from .files import Wanted


def run_mm(prefix: Path, wanted: Wanted, *, quiet: bool) -> int:
    """A mambaf* file beside the yml, cwd there, output live; pip's exit status."""
    descriptor, name = tempfile.mkstemp(prefix="mambaf", dir=wanted.pip_folder)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(wanted.pip))
    command = ["python", "-m", "pip", "install", "-r", name, "--no-input"]
    command += ["--quiet"] if quiet else []
    try:
        return activation.run(prefix, command, cwd=str(wanted.pip_folder)).returncode
    finally:
        Path(name).unlink(missing_ok=True)


def run_conda(prefix: Path, wanted: Wanted, *, quiet: bool) -> int:
    """condaenv.*.requirements.txt beside the yml, -U; stdout is shown only when pip has ended."""
    descriptor, name = tempfile.mkstemp(".requirements.txt", "condaenv.", wanted.pip_folder)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(wanted.pip))
    command = [str(prefix / "bin/python"), "-m", "pip", "install", "-U", "-r", name]
    command.append("--exists-action=b")
    try:
        done = subprocess.run(command, cwd=wanted.pip_folder, capture_output=True, text=True)
    finally:
        Path(name).unlink(missing_ok=True)
    if not quiet:
        print(done.stdout, flush=True)
    if done.returncode:
        print(f"Pip subprocess error:\n{done.stderr}", file=sys.stderr, flush=True)
    return done.returncode
