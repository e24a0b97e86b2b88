"""What Linux says of a process: its CPU time and its memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def cpu_of(pid: int) -> float:
    """Seconds in user and system, with children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def peak_of(pid: int) -> int:
    """Bytes: the most that was ever resident (VmHWM)."""
    return _bytes(f"/proc/{pid}/status", "VmHWM")


def memory_of(pid: int) -> int:
    """Bytes: what is resident now, its share of what others use too (Pss)."""
    return _bytes(f"/proc/{pid}/smaps_rollup", "Pss")


def _bytes(file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(file).read_text(), re.MULTILINE)
    assert found is not None, (file, name)
    return int(found[1]) * 1024
