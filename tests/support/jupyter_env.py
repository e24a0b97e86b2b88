"""One real environment with JupyterLab for a whole test run, shared by parallel workers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIREMENTS = ("jupyterlab>=4.4", "ipykernel>=6.29")


@pytest.fixture(scope="session")
def jupyter_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of a virtual environment made by uv. Made once a run; uv's cache makes it fast."""
    base = tmp_path_factory.getbasetemp()
    if base.name.startswith("popen-"):  # a worker's own folder, below the run's
        base = base.parent
    prefix, done = base / "jupyter-env", base / "jupyter-env.done"
    with _locked(base / "jupyter-env.lock"):
        if not done.exists():
            shutil.rmtree(prefix, ignore_errors=True)
            _make(prefix)
            done.touch()
    return prefix


def _make(prefix: Path) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert uv, "uv comes with the test extra"
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(prefix))
    index = _pip_setting("index-url")
    source = ("--default-index", index) if index else ()
    python = str(prefix / "bin" / "python")
    _run(uv, "pip", "install", "--quiet", "--python", python, *source, *REQUIREMENTS)


def _pip_setting(name: str) -> str:
    """uv does not read pip's settings; an index or a certificate file that somebody chose for pip
    is meant for uv too."""
    asked = [sys.executable, "-m", "pip", "config", "list"]  # `get` fails in some versions of pip
    listed = subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout
    found = re.findall(rf"^(?:global|install|:env:)\.{name}='(.*)'$", listed, re.MULTILINE)
    return found[-1] if found else ""


def _run(*command: str) -> None:
    certificates = os.environ.get("SSL_CERT_FILE") or _pip_setting("cert")
    env = {**os.environ, **({"SSL_CERT_FILE": certificates} if certificates else {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-2000:]}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
