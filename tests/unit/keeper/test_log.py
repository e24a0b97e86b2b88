"""The keeper's log: it stays small, and is its owner's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHATTER = """
import logging
from gpuws.keeper.__main__ import _leave_the_terminal
_leave_the_terminal("key")
for _ in range(4000):
    logging.getLogger("gpuws.keeper").warning("x" * 1000)
"""


def test_it_is_turned_over_before_it_is_large(tmp_path: Path) -> None:
    env = {**os.environ, "GPUWS_STATE_DIR": str(tmp_path / "state")}
    subprocess.run([sys.executable, "-c", CHATTER], env=env, check=True, timeout=20)
    logs = tmp_path / "state" / "logs"
    sizes = [each.stat().st_size for each in logs.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1 << 20
    assert logs.stat().st_mode & 0o077 == 0
