"""Folders of gpuws on the laptop; GPUWS_CONFIG_DIR, GPUWS_STATE_DIR, GPUWS_CACHE_DIR move them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gpuws.errors import GpuwsError


def config() -> Path:
    return _place("GPUWS_CONFIG_DIR", "user_config_path")


def state() -> Path:
    return _place("GPUWS_STATE_DIR", "user_state_path")


def cache() -> Path:
    return _place("GPUWS_CACHE_DIR", "user_cache_path")


def _place(variable: str, default: str) -> Path:
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen).absolute()
    import platformdirs

    path: Path = getattr(platformdirs, default)("gpuws", appauthor=False)
    return path


def private(folder: Path) -> Path:
    """``folder``, made 0700. Refused when it is a link or belongs to somebody else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise GpuwsError(
            "usage",
            f"the laptop's folder {folder} cannot be used: {error.strerror or error}",
            hint="set GPUWS_STATE_DIR to a folder that you can write",
        ) from error
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    if not mine or stat.S_ISLNK(found.st_mode):
        raise GpuwsError(
            "usage",
            f"{folder} belongs to somebody else or is a link",
            hint="remove it, or set GPUWS_STATE_DIR to a folder of your own",
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder
