"""Where things are: root prefix, package caches, channels; rc files and environment variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .voice import Failed


@dataclass
class Settings:
    """Everything a command needs to know besides its own flags."""

    root: Path
    rc: dict[str, Any] = field(default_factory=dict)
    rc_files: list[str] = field(default_factory=list)
    personality: str = "mm"

    def option(self, key: str) -> object:
        """An environment variable, else the rc files. Lists in variables are YAML or commas."""
        prefixes = ("MAMBA_", "CONDA_") if self.personality == "mm" else ("CONDA_",)
        for prefix in prefixes:
            text = os.environ.get(prefix + key.upper())
            if text:
                return yaml.safe_load(text)
        return self.rc.get(key)

    def flag(self, key: str) -> bool:
        return bool(self.option(key))

    def listed(self, key: str) -> list[str]:
        value = self.option(key)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(part) for part in value] if isinstance(value, list) else []

    def packages(self) -> Path:
        """The first package cache that can be written."""
        for folder in [*map(Path, self.listed("pkgs_dirs")), self.root / "pkgs"]:
            path = folder.expanduser()
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(path, os.W_OK):
                return path
        if self.personality == "conda":
            raise Failed("NoWritablePkgsDirError: No writeable pkgs directories configured.")
        raise Failed("Could not find any writable cache directory")

    def environments(self) -> list[Path]:
        folders = [self.root / "envs"]
        found = [self.root] if (self.root / "conda-meta").is_dir() else []
        for folder in folders:
            found += sorted(p.parent for p in folder.glob("*/conda-meta"))
        return found

    def channel_urls(self, names: Iterable[str]) -> list[str]:
        """Base URLs without a trailing slash, in order, each once; `defaults` is expanded."""
        urls: list[str] = []
        for name in names:
            if name == "defaults":
                urls += self.channel_urls(self.listed("default_channels") or _DEFAULTS)
            else:
                urls.append(self._channel_url(os.path.expandvars(name)))
        return list(dict.fromkeys(urls))

    def _channel_url(self, name: str) -> str:
        custom = self.rc.get("custom_channels") or {}
        mirrored = self.rc.get("mirrored_channels") or {}
        if mirrored.get(name) and self.personality == "mm":
            return str(mirrored[name][0]).rstrip("/")
        if name in custom:
            return f"{str(custom[name]).rstrip('/')}/{name}"
        if "://" in name:
            return name.rstrip("/")
        if name.startswith(("/", "./", "../")):
            return Path(name).resolve().as_uri()
        alias = self.option("channel_alias") or "https://conda.anaconda.org"
        return f"{str(alias).rstrip('/')}/{name}"


_DEFAULTS = ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]


def mm_root(given: str) -> Path:
    """-r, MAMBA_ROOT_PREFIX, the binary's own place, ~/micromamba, ~/.local/share/mamba."""
    named = given or os.environ.get("MAMBA_ROOT_PREFIX", "")
    if named:
        return Path(named).expanduser().absolute()
    prefix = Path(sys.argv[0]).absolute().parent.parent
    if Path(sys.argv[0]).absolute().parent.name == "bin":
        above = prefix.parent.parent
        return above if _looks_like_root(above) else prefix
    old = Path.home() / "micromamba"
    if _looks_like_root(old):
        return old
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "mamba"


def _looks_like_root(folder: Path) -> bool:
    return any((folder / part).is_dir() for part in ("pkgs", "envs", "conda-meta"))


def load_rc(paths: Iterable[Path]) -> tuple[dict[str, Any], list[str]]:
    """Later files win; lists of channels are joined, the last file's first."""
    merged: dict[str, Any] = {}
    read = []
    for path in paths:
        if not path.is_file():
            continue
        text = os.path.expandvars(path.read_text())
        values = yaml.safe_load(text) or {}
        read.append(str(path))
        for key, value in values.items():
            if isinstance(value, list):
                merged[key] = [*value, *(v for v in merged.get(key, []) if v not in value)]
            elif isinstance(value, dict):
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return merged, read


def rc_paths(root: Path, personality: str) -> list[Path]:
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [Path("/etc/conda/.condarc"), root / ".condarc", config / "conda/.condarc"]
    paths += [home / ".conda/.condarc", home / ".condarc"]
    names = ("CONDARC",) if personality == "conda" else ("CONDARC", "MAMBARC")
    paths += [Path(os.environ[name]) for name in names if os.environ.get(name)]
    return paths if personality == "conda" else [*paths, root / ".mambarc", home / ".mambarc"]
