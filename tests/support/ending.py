"""How the processes of an SSH server end: at once, with their helpers."""

from __future__ import annotations

import contextlib
import time

import psutil


def end_with_helpers(processes: list[psutil.Process]) -> None:
    """SIGKILL, with the helpers that sshd starts for each session (they run as the user)."""
    everyone = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            everyone += [p for p in process.children(recursive=True) if p.name() == "sshd"]
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5
    while any(_runs(process) for process in everyone) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """A zombie is gone already; where pid 1 is slow to reap, it stays a while."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
