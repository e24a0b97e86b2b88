"""What a prefix holds, in the shapes that `list` and `export` print."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import rattler
import yaml

from .linking import installed

Fields = dict[str, object]


def packages(prefix: Path) -> list[Fields]:
    """Conda packages sorted by name, with the fields that both tools have."""
    return [_fields(record) for record in _sorted(prefix)]


def _sorted(prefix: Path) -> list[rattler.PrefixRecord]:
    return sorted(installed(prefix), key=lambda record: record.name.normalized)


def _fields(record: rattler.PrefixRecord) -> Fields:
    base = record.channel.rstrip("/")
    return {
        "base_url": base,
        "build_number": record.build_number,
        "build_string": str(record.build),
        "channel": base.rsplit("/", 1)[-1],
        "dist_name": f"{record.name.normalized}-{record.version}-{record.build}",
        "name": record.name.normalized,
        "platform": record.subdir,
        "version": str(record.version),
    }


def with_hashes(prefix: Path) -> list[Fields]:
    """As mm's `list --json` has them."""
    found = []
    for record in _sorted(prefix):
        md5, sha256 = _digests(record)
        found.append({**_fields(record), "url": record.url, "md5": md5, "sha256": sha256})
    return found


def table(prefix: Path, title: str) -> str:
    rows = [f"{f['name']:<20} {f['version']:<12} {f['build_string']:<18} {f['channel']}"
            for f in packages(prefix)]  # fmt: skip
    head = f"{'Name':<20} {'Version':<12} {'Build':<18} Channel"
    return "\n".join([f"{title} {prefix}", "", head, "-" * len(head), *rows])


def explicit(prefix: Path, mark: str) -> list[str]:
    """URLs sorted by name; ``mark`` is md5, sha256 or "", put after a bare #."""
    lines = []
    for record in _sorted(prefix):
        md5, sha256 = _digests(record)
        digest = {"md5": md5, "sha256": sha256}.get(mark, "")
        lines.append(f"{record.url}#{digest}" if digest else record.url)
    return lines


def header() -> list[str]:
    return [
        "# This file may be used to create an environment using:",
        "# $ conda create --name <env> --file <this file>",
        f"# platform: {rattler.Subdir.current()}",
        "@EXPLICIT",
    ]


def exported(prefix: Path, *, builds: bool, asked: list[str] | None = None) -> Fields:
    """name, channels, dependencies with the pip section, prefix."""
    records = _sorted(prefix)
    plain = [_pin(record, builds) for record in records]
    dependencies: list[object] = list(plain if asked is None else asked)
    by_pip = pip_packages(prefix)
    if by_pip and asked is None:
        dependencies.append({"pip": by_pip})
    channels = list(dict.fromkeys(record.channel.rstrip("/") for record in records))
    return {
        "name": prefix.name,
        "channels": channels,
        "dependencies": dependencies,
        "prefix": str(prefix),
    }


def dump(content: Fields) -> str:
    return str(yaml.safe_dump(content, sort_keys=False)).rstrip()


def pip_packages(prefix: Path) -> list[str]:
    """What pip brought, as name==version; nothing where there is no python."""
    python = prefix / "bin" / "python"
    if not python.exists():
        return []
    asked = subprocess.run(
        [str(python), "-I", "-c", _ASK], capture_output=True, text=True, check=True
    )
    return list(json.loads(asked.stdout))


_ASK = """
import importlib.metadata as m, json, sysconfig
found = m.distributions(path=[sysconfig.get_path("purelib")])
ours = [d for d in found if (d.read_text("INSTALLER") or "").strip() != "conda"]
print(json.dumps(sorted(d.metadata["Name"] + "==" + d.version for d in ours)))
"""


def _pin(record: rattler.PrefixRecord, builds: bool) -> str:
    text = f"{record.name.normalized}={record.version}"
    return f"{text}={record.build}" if builds else text


def _digests(record: rattler.PrefixRecord) -> tuple[str, str]:
    md5, sha256 = record.md5, record.sha256
    return md5.hex() if md5 else "", sha256.hex() if sha256 else ""
