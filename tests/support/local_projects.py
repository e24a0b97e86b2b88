"""Projects as they lie on a laptop: one that needs nothing to be built, one of setuptools."""

from __future__ import annotations

import json
from pathlib import Path

_SETUPTOOLS = """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
"""

_ITSELF = """\
[build-system]
requires = []
build-backend = "maker"
backend-path = ["."]
"""

# A build backend of the project's own, so that no index is asked.
_MAKER = """\
import pathlib, zipfile

def _made(folder, files):
    info, name = f"{NAME}-1.0.dist-info", f"{NAME}-1.0-py3-none-any.whl"
    needs = "".join(f"Requires-Dist: {each}\\n" for each in NEEDS)
    head = f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: 1.0\\n"
    files = {
        **files,
        f"{info}/METADATA": head + needs,
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return name

def build_wheel(folder, settings=None, metadata=None):
    found = {p.as_posix(): p.read_text() for p in pathlib.Path().glob("*/__init__.py")}
    return _made(folder, found)

def build_editable(folder, settings=None, metadata=None):
    return _made(folder, {f"_{NAME}.pth": str(pathlib.Path().absolute()) + "\\n"})
"""


def project(
    folder: Path, name: str, says: str, *, needs: tuple[str, ...] = (), setuptools: bool = False
) -> Path:
    """A folder with a package ``name`` whose ``SAYS`` is ``says``."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(f"SAYS = {says!r}\n")
    table = f'[project]\nname = "{name}"\nversion = "1.0"\ndependencies = {json.dumps(needs)}\n'
    (folder / "pyproject.toml").write_text((_SETUPTOOLS if setuptools else _ITSELF) + table)
    if not setuptools:
        (folder / "maker.py").write_text(f"NAME, NEEDS = {name!r}, {needs!r}\n{_MAKER}")
    return folder
