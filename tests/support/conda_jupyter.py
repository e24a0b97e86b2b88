"""The real JupyterLab and ipykernel as conda packages, one for each wheel.

The wheels come from the package index that pip is set up with, once; what was made of them is
kept between runs, and shared by parallel workers behind a lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rattler

from tests.support import conda_package, conda_wheels
from tests.support.conda_channel import Channel, make_channel
from tests.support.conda_package import write_package
from tests.support.conda_pythons import interpreters, pip_package
from tests.support.conda_wheels import extras_asked, package_from_wheel, plain_name

REQUIREMENTS = ("jupyterlab>=4.4", "ipykernel>=6.29")
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""The version that the compiled wheels are for: environments must ask for this one."""


def channel(cache: Path) -> Channel:
    """The standard channel, made once for these sources and interpreters."""
    here = Path(__file__).parent
    sources = [*sorted(here.glob("conda_*.py")), here / "micromamba.py"]
    sources += sorted((here / "standin").glob("*.py"))
    folder = kept(cache, "channel", _key(sources), lambda folder: make_channel(folder))
    return _channel(folder)


def jupyter_channel(cache: Path) -> Channel:
    """The standard channel plus JupyterLab, ipykernel and all they depend on (about 90)."""
    plain = channel(cache)
    packages = kept(cache, "jupyter-packages", _key(_SOURCES), _make_packages)

    def build(folder: Path) -> None:
        own = [p for p in plain.folder.glob("*/*") if p.name.endswith((".conda", ".tar.bz2"))]
        theirs = packages.glob("*/*")
        make_channel(folder, pythons=(), standard=False, archives=[*own, *theirs])

    key = plain.folder.name.rpartition("-")[2] + packages.name.rpartition("-")[2]
    return _channel(kept(cache, "jupyter", key, build))


_SOURCES = [Path(module.__file__ or "") for module in (conda_package, conda_wheels)]


def _channel(folder: Path) -> Channel:
    versions = tuple(interpreter.version for interpreter in interpreters())
    return Channel(folder, str(rattler.Subdir.current()), versions)


def _make_packages(folder: Path) -> None:
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    command += ["--dest", str(wheels), *REQUIREMENTS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"pip cannot fetch JupyterLab:\n{done.stderr[-2000:]}"
    subdir = str(rattler.Subdir.current())
    found = sorted(wheels.glob("*.whl"))
    extras = extras_asked(found, PYTHON)
    for wheel in found:
        name = plain_name(wheel.name.split("-")[0])
        package = package_from_wheel(wheel, PYTHON, extras.get(name, ()))
        if package.name != pip_package().name:
            write_package(package, folder, subdir)
    shutil.rmtree(wheels)


def _key(sources: list[Path]) -> str:
    digest = hashlib.sha256(repr((REQUIREMENTS, interpreters(), sys.executable)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def kept(cache: Path, name: str, key: str, build: Callable[[Path], object]) -> Path:
    """``cache/name-key``, built by one process while the others wait."""
    folder = cache / f"{name}-{key}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{name}.lock"):
        if not folder.is_dir():
            part = cache / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            build(part)
            part.rename(folder)
            _drop_old(cache, name)
    return folder


def _drop_old(cache: Path, name: str) -> None:
    """What other sources made, once nobody can be using it any more."""
    for other in cache.glob(f"{name}-????????????*"):
        age_s = time.time() - other.stat().st_mtime
        if re.fullmatch(f"{name}-[0-9a-f]+", other.name) and age_s > 3 * 3600:
            shutil.rmtree(other, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
