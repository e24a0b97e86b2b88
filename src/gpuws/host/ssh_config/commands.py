"""The commands of Match exec: run by the user's shell, all of them within one deadline."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping

from gpuws.host.ssh_config.refusing import BadLine

DEADLINE = 10.0  # seconds for all of one host


class Commands:
    def __init__(self, environment: Mapping[str, str], *, windows: bool = False) -> None:
        self._deadline = time.monotonic() + DEADLINE
        self._shell = (
            [environment.get("COMSPEC", "cmd.exe"), "/c"]
            if windows
            else [environment.get("SHELL", "/bin/sh"), "-c"]
        )

    def succeeds(self, command: str) -> bool:
        """Raises BadLine where ssh gives up, too, and behind the deadline."""
        try:
            done = subprocess.run(
                [*self._shell, command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=max(0.0, self._deadline - time.monotonic()),
            )
        except subprocess.TimeoutExpired:
            raise BadLine(f"Match exec gave no answer in {DEADLINE:.0f} s") from None
        except OSError as error:
            raise BadLine(f"Match exec: {self._shell[0]}: {error.strerror}") from None
        if done.returncode < 0:
            raise BadLine(f"Match exec was ended by signal {-done.returncode}")
        return done.returncode == 0
