"""tmux as a conda package: this machine's real one, so that it runs wherever the tests do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.conda_channel import Channel, make_channel, micromamba_package
from tests.support.conda_package import File, Package


def tmux_package() -> Package:
    binary = shutil.which("tmux")
    assert binary
    version = subprocess.check_output([binary, "-V"], text=True).split()[1]
    file = File("bin/tmux", Path(binary).read_bytes(), executable=True)
    return Package("tmux", version.replace("-", "_"), files=(file,))


def tmux_channel(folder: Path) -> Channel:
    """A channel of tmux, and of the tool that a host without any needs to make use of it."""
    packages = (tmux_package(), micromamba_package("2.8.1"))
    return make_channel(folder, pythons=(), standard=False, extra=packages)
