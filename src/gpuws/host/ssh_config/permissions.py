"""Who may write a file of ssh_config: only its owner, who is the user or the system."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gpuws.host.ssh_config.refusing import BadLine


def refuse_others(path: Path) -> None:
    """Raises BadLine where ssh refuses. Windows has no such bits."""
    if not hasattr(os, "getuid"):
        return
    try:
        found = path.stat()
    except OSError:
        return  # whoever reads it says so
    if found.st_uid not in (0, os.getuid()) or found.st_mode & stat.S_IWOTH:
        raise BadLine(f"bad owner or permissions on {path}")
    if found.st_mode & stat.S_IWGRP and not _alone(found.st_uid, found.st_gid):
        raise BadLine(f"bad permissions on {path}: its group has other members")


def _alone(uid: int, gid: int) -> bool:
    """Whether the user is the only member of the group."""
    import grp
    import pwd

    try:
        owner = pwd.getpwuid(uid).pw_name
        listed = grp.getgrgid(gid).gr_mem
    except KeyError:
        return False
    first = [each.pw_uid for each in pwd.getpwall() if each.pw_gid == gid]
    mine = os.getuid()
    return all(each == mine for each in first) and listed in ([], [owner]) and bool(first or listed)
