"""One real environment with JupyterLab for a whole test run, shared by parallel workers."""

from __future__ import annotations

import contextlib
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
    index = _pip_index()
    source = ("--default-index", index) if index else ()
    python = str(prefix / "bin" / "python")
    _run(uv, "pip", "install", "--quiet", "--python", python, *source, *REQUIREMENTS)


def _pip_index() -> str:
    """uv does not read pip's settings; an index that somebody chose for pip is meant for uv too."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=30).stdout.strip()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr[-2000:]}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
