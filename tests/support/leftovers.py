"""Processes that outlive the tests which started them."""

from __future__ import annotations

import contextlib
import time

import psutil

MARK = "GPUWS_TEST_RUN"
"""Carried in the environment of everything that one test process starts."""


def end_and_name(mark: str, patience: float = 5.0) -> list[str]:
    """Processes still there after ``patience`` seconds, as "pid command"; they are ended by pid."""
    deadline = time.monotonic() + patience
    while (left := _left(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    names = [f"{process.pid} {_command(process)}" for process in left]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return names


def _left(mark: str) -> list[psutil.Process]:
    """Own children, and daemons of theirs: those are nobody's children but carry the mark."""
    me = psutil.Process()
    found = {child.pid: child for child in me.children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != me.pid and process.environ().get(MARK) == mark:
                found[process.pid] = process
    return [process for process in found.values() if _alive(process)]


def _alive(process: psutil.Process) -> bool:
    """A zombie is gone: only its status waits, and where pid 1 reaps nothing it waits for ever."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:200] or process.name()
    except psutil.Error:
        return "?"
