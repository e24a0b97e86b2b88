"""python and pip as conda packages that use this machine's own interpreters."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.support.conda_package import File, Package
from tests.support.conda_wheels import package_from_wheel

_ASK = (
    "import json, os, sys; v = '%d.%d' % sys.version_info[:2]; "
    "print(json.dumps(['%d.%d.%d' % sys.version_info[:3], "
    "os.path.join(sys.base_prefix, 'bin', 'python' + v)]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A base interpreter (not of a virtual environment) and its true version."""

    path: str
    version: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """The one that runs the tests, plus python3.10 to 3.14 of PATH; one for each minor version."""
    found = {interpreter.minor: interpreter for interpreter in map(_ask, _names()) if interpreter}
    own = _ask(sys.executable)
    assert own is not None, f"{sys.executable} has no base interpreter"
    found[own.minor] = own
    return tuple(sorted(found.values(), key=lambda i: int(i.minor.split(".")[1])))


def _names() -> tuple[str, ...]:
    every = (shutil.which(f"python3.{minor}") for minor in range(10, 15))
    return tuple(path for path in every if path)


def _ask(path: str) -> Interpreter | None:
    asked = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=30)
    if asked.returncode != 0:
        return None
    version, base = json.loads(asked.stdout)
    return Interpreter(base, version) if Path(base).exists() else None


def python_package(interpreter: Interpreter) -> Package:
    """bin/python linked to the interpreter; pyvenv.cfg makes the prefix an environment of its own.

    As with the real package, lib/pythonX.Y/site-packages is where everything else goes.
    """
    minor = interpreter.minor
    config = (
        f"home = {PurePosixPath(interpreter.path).parent}\n"
        f"include-system-site-packages = false\nversion = {interpreter.version}\n"
    )
    return Package(
        name="python",
        version=interpreter.version,
        build=f"h{minor.replace('.', '')}_0_cpython",
        files=(
            File(f"bin/python{minor}", link=interpreter.path),
            File("bin/python3", link=f"python{minor}"),
            File("bin/python", link=f"python{minor}"),
            File("pyvenv.cfg", config.encode()),
            File(f"lib/python{minor}/site-packages/README.txt", b"packages go here\n"),
        ),
    )


@functools.cache
def pip_package() -> Package:
    """The real pip: the wheel bundled with the interpreter, else the files of the one here."""
    wheel = _bundled_wheel()
    if wheel is not None:
        return package_from_wheel(wheel, "3")
    distribution = importlib.metadata.distribution("pip")
    files = []
    for file in distribution.files or []:
        if file.suffix != ".pyc" and file.parts[0] not in ("..", "bin"):
            content = Path(str(file.locate())).read_bytes()
            files.append(File(f"site-packages/{file.as_posix()}", content))
    return Package(
        "pip",
        distribution.version,
        build="pyhtest_0",
        depends=("python",),
        files=tuple(files),
        noarch="python",
        entry_points=("pip = pip._internal.cli.main:main",),
        form=".conda",
    )


def _bundled_wheel() -> Path | None:
    try:
        import ensurepip
    except ImportError:
        return None
    folders = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))
    wheels = [wheel for folder in folders for wheel in folder.glob("pip-*.whl")]
    return wheels[0] if wheels else None
