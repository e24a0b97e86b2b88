"""Executables named micromamba, mamba or conda that do the real tools' work over py-rattler.

The program is the package ``standin`` beside this file, packed into one file that starts with
the tests' own interpreter, so that it can be copied anywhere, or shipped in a conda package.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
import zipfile
from pathlib import Path

import rattler

CALLS = "GPUWS_TEST_CALLS"
"""Environment variable: the file that gets one line of JSON for each call."""

FAULT = "GPUWS_TEST_FAULT"
"""Environment variable: see standin/faults.py."""

_SOURCES = Path(__file__).with_name("standin")


def executable(python: str = sys.executable) -> bytes:
    """The program as one file: a line of sh, then a zip archive that python runs.

    Another ``python`` than the tests' own takes the libraries from there.
    """
    packed = io.BytesIO()
    packed.write(f'#!/bin/sh\nexec {shlex.quote(python)} -I "$0" "$@"\n'.encode())
    libraries = str(Path(rattler.__file__).parents[1])
    start = f"import sys\n\nsys.path.append({libraries!r})\n"
    with zipfile.ZipFile(packed, "a") as archive:
        for source in sorted(_SOURCES.glob("*.py")):
            archive.write(source, f"standin/{source.name}")
        archive.writestr("__main__.py", start + "from standin.main import main\n\nmain()\n")
    return packed.getvalue()


def install(folder: Path, name: str = "micromamba", python: str = sys.executable) -> Path:
    """Put the stand-in into ``folder`` under a tool's name: micromamba, mamba or conda."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(executable(python))
    path.chmod(0o755)
    return path


def calls(log: Path) -> list[list[str]]:
    """The argv of each call, oldest first; empty where nothing was called."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().splitlines()]
