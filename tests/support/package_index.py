"""A small package index on disk, and the settings with which pip here reaches its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path


@functools.cache
def pip_settings() -> tuple[tuple[str, str], ...]:
    """What pip of this machine is set to, as PIP_* variables for a host whose HOME is empty."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=30
    )
    found = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in ("index-url", "extra-index-url", "find-links", "cert", "trusted-host"):
            found["PIP_" + name.upper().replace("-", "_")] = " ".join(shlex.split(value))
    found |= {name: os.environ[name] for name in ("SSL_CERT_FILE",) if name in os.environ}
    found["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return tuple(found.items())


_HEAD = "Metadata-Version: 2.1\n"


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: dict[str, bytes] | None = None,
    metadata: str = "",
) -> Path:
    """A pure wheel with one module; ``files`` instead of the module, ``metadata``: more lines."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    content = files or {f"{name}/__init__.py": f'__version__ = "{version}"\n'.encode()}
    content |= {
        f"{info}/METADATA": f"{_HEAD}Name: {name}\nVersion: {version}\n{metadata}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, data in content.items():
            archive.writestr(inner, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def publish(index: Path, name: str, *wheels: Path, sha256: str = "") -> None:
    """Put wheels onto the page of ``name`` (PEP 503); ``sha256`` promises another hash."""
    page = index / "simple" / name
    page.mkdir(parents=True, exist_ok=True)
    links = []
    for each in wheels:
        data = each.read_bytes()
        (page / each.name).write_bytes(data)
        promised = sha256 or hashlib.sha256(data).hexdigest()
        links.append(f'<a href="../{name}/{each.name}#sha256={promised}">{each.name}</a><br/>')
    (page / "index.html").write_text("<!DOCTYPE html><html><body>" + "\n".join(links))
