"""What a file given by -f / --file says: an environment.yml, an explicit list, or plain specs."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .voice import Failed


@dataclass
class Wanted:
    """The union of all files and words of one command line."""

    specs: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    explicit: list[str] = field(default_factory=list)
    is_explicit: bool = False
    pip: list[str] = field(default_factory=list)
    pip_folder: Path = Path()
    variables: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    unknown: list[str] = field(default_factory=list)


def read(path: Path, wanted: Wanted, missing: str) -> None:
    """Add a file to ``wanted``; its kind is decided by its name alone, as mm does."""
    if not path.is_file():
        raise Failed(missing)
    if path.name.endswith(("-lock.yml", "-lock.yaml")) or path.suffix == ".json":
        raise Failed(f"Invalid lock file '{path}'")
    if path.suffix in (".yml", ".yaml"):
        _yml(path, wanted)
    else:
        _lines(path, wanted)


def _lines(path: Path, wanted: Wanted) -> None:
    lines = [line.strip() for line in path.read_text().splitlines()]
    if "@EXPLICIT" in lines:
        wanted.is_explicit = True
        lines = lines[lines.index("@EXPLICIT") + 1 :]
        wanted.explicit += [line for line in lines if line and not line.startswith("#")]
    else:
        wanted.specs += [line for line in lines if line and not line.startswith("#")]


def _yml(path: Path, wanted: Wanted) -> None:
    try:
        text = path.read_text()
        content = yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failed(f"Could not parse {path}: {error}") from None
    wanted.name = str(content.get("name") or "")
    known = {"name", "channels", "dependencies", "variables", "prefix"}
    wanted.unknown += sorted(set(content) - known)
    wanted.channels += [str(channel) for channel in content.get("channels") or []]
    wanted.variables.update(content.get("variables") or {})
    for entry in content.get("dependencies") or []:
        if isinstance(entry, str):
            wanted.specs.append(entry)
            continue
        for key, value in entry.items():
            if key == "pip":
                wanted.pip += value or []
                wanted.pip_folder = path.parent.absolute()
            elif key == f"sel({'linux' if sys.platform == 'linux' else 'osx'})":
                wanted.specs += [value] if isinstance(value, str) else value


@dataclass(frozen=True)
class Locked:
    """A line of an explicit list."""

    url: str
    md5: str = ""
    sha256: str = ""

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def locked(line: str) -> Locked:
    """URL, then nothing, #md5, #sha256:hex or #64hex; another hash is ignored, as mm does."""
    url, _, mark = line.partition("#")
    if "://" not in url:
        url = Path(os.path.expandvars(url)).absolute().as_uri()
    digest = mark.removeprefix("sha256:").lower()
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        return Locked(url, sha256=digest)
    if re.fullmatch(r"[0-9a-f]{32}", mark.lower()):
        return Locked(url, md5=mark.lower())
    return Locked(url)
