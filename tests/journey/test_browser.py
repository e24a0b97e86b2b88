"""A person's browser on a running JupyterLab: a new notebook, a cell, its result."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import browser, micromamba
from tests.support.conda_channel import Channel
from tests.support.conda_fixtures import conda_cache, conda_jupyter_channel

__all__ = ["conda_cache", "conda_jupyter_channel"]

pytestmark = pytest.mark.skipif(browser.chromium() is None, reason="no chromium on this machine")

PYTHON = f"python={sys.version_info[0]}.{sys.version_info[1]}"


@contextlib.contextmanager
def jupyterlab(prefix: Path, folder: Path) -> Iterator[str]:
    """JupyterLab of ``prefix`` on a free port of loopback; its URL with the token."""
    token = secrets.token_hex(16)
    log = folder / "jupyter.log"
    command = [str(prefix / "bin/jupyter-lab"), "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += ["--port=0", f"--ServerApp.root_dir={folder}"]
    env = {
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield f"http://127.0.0.1:{_port(log, server)}/lab?token={token}"
    finally:
        server.terminate()
        server.wait(30)


def _port(log: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/lab", log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture
def prefix(tmp_path: Path, conda_jupyter_channel: Channel) -> Path:
    """A conda environment with the real JupyterLab."""
    made = tmp_path / "env"
    tool = micromamba.install(tmp_path / "bin")
    where = ["-r", str(tmp_path / "root"), "-p", str(made), "-c", conda_jupyter_channel.url]
    done = subprocess.run(
        [str(tool), "create", "--no-rc", "-y", *where, PYTHON, "jupyterlab", "ipykernel"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.timeout(300)  # about 20 s; two minutes on a machine that is busy with other things
def test_a_cell_in_a_new_notebook_gives_its_result(prefix: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with jupyterlab(prefix, home) as url, browser.open_lab(url, tmp_path) as page:
        browser.new_notebook(page)
        assert browser.run_cell(page, "6*7") == "42"
        assert browser.run_cell(page, "import sys; print(sys.prefix)") == str(prefix)
        with pytest.raises(AssertionError, match="not within"):
            page.wait_for("document.querySelector('#no-such-thing') !== null", timeout=1.0)
