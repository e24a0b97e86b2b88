"""Conda packages made from real wheels, one each, so that a conda prefix runs the real thing."""

from __future__ import annotations

import configparser
import email
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.support.conda_package import PLACEHOLDER, File, Package


def package_from_wheel(wheel: Path, python: str, extras: Collection[str] = ()) -> Package:
    """The wheel as a conda package; ``python`` ("3.11") is what a compiled one was made for.

    conda knows no extras: what ``extras`` ask for becomes an ordinary dependency.
    """
    name, version, *_, abi, platform = wheel.stem.split("-")
    pure = abi == "none" and platform == "any"
    with zipfile.ZipFile(wheel) as archive:
        info = f"{name}-{version}.dist-info"
        needed = _requirements(archive.read(f"{info}/METADATA"), python, extras)
        site = "site-packages" if pure else f"lib/python{python}/site-packages"
        files = (*_files(archive, f"{name}-{version}.data", site), _installer(info, site))
        points = _console_scripts(archive, info)
    return Package(
        name=plain_name(name),
        version=version.replace("+", "_").replace("-", "_"),
        build="pyhtest_0" if pure else f"py{python.replace('.', '')}test_0",
        depends=(f"python {python}.*" if not pure else "python", *map(_match_spec, needed)),
        files=files if pure else (*files, *_scripts(points)),
        noarch="python" if pure else "",
        entry_points=points if pure else (),
        form=".conda",
    )


def plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installer(info: str, site: str) -> File:
    return File(f"{site}/{info}/INSTALLER", b"conda\n")


def _files(archive: zipfile.ZipFile, data: str, site: str) -> Iterator[File]:
    for entry in archive.infolist():
        if entry.is_dir() or entry.filename.endswith(".dist-info/INSTALLER"):
            continue
        content = archive.read(entry)
        executable = bool(entry.external_attr >> 16 & 0o111)
        inner = entry.filename.removeprefix(data + "/")
        if inner == entry.filename:
            yield File(f"{site}/{inner}", content, executable=executable)
            continue
        kind, _, rest = inner.partition("/")
        if kind == "data":
            yield File(rest, content, executable=executable)
        elif kind in ("purelib", "platlib"):
            yield File(f"{site}/{rest}", content, executable=executable)
        elif kind == "scripts":
            shebang = f"#!{PLACEHOLDER}/bin/python".encode()
            yield File(f"bin/{rest}", content.replace(b"#!python", shebang, 1), executable=True)
        elif kind == "headers":
            yield File(f"include/{rest}", content)


def _console_scripts(archive: zipfile.ZipFile, info: str) -> tuple[str, ...]:
    path = f"{info}/entry_points.txt"
    if path not in archive.namelist():
        return ()
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(archive.read(path).decode())
    if not parser.has_section("console_scripts"):
        return ()
    return tuple(
        f"{name} = {target.split('[')[0].strip()}"
        for name, target in parser.items("console_scripts")
    )


def _scripts(points: tuple[str, ...]) -> Iterator[File]:
    for point in points:
        name, _, target = point.partition(" = ")
        module, _, function = target.partition(":")
        text = (
            f"#!{PLACEHOLDER}/bin/python\nimport sys\n"
            f"from {module} import {function.split('.')[0]}\n"
            f"sys.exit({function}())\n"
        )
        yield File(f"bin/{name}", text.encode(), executable=True)


def extras_asked(wheels: Iterable[Path], python: str) -> dict[str, set[str]]:
    """Which extras of which project the others ask for, until nothing is added."""
    metadata = {plain_name(wheel.name.split("-")[0]): _metadata(wheel) for wheel in wheels}
    asked: dict[str, set[str]] = {}
    while True:
        before = {name: set(extras) for name, extras in asked.items()}
        for name, text in metadata.items():
            for requirement in _requirements(text, python, before.get(name, ())):
                if requirement.extras:
                    asked.setdefault(plain_name(requirement.name), set()).update(requirement.extras)
        if asked == before:
            return asked


def _metadata(wheel: Path) -> bytes:
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{name}-{version}.dist-info/METADATA")


def _requirements(metadata: bytes, python: str, extras: Collection[str]) -> list[Requirement]:
    """Those whose markers hold here, with any of the extras or with none."""
    here = {key: str(value) for key, value in default_environment().items()}
    wanted = []
    for line in email.message_from_bytes(metadata).get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        cases = [{**here, "python_version": python, "extra": extra} for extra in ("", *extras)]
        marker = requirement.marker
        if marker is None or any(marker.evaluate(case) for case in cases):
            wanted.append(requirement)
    return wanted


def _match_spec(requirement: Requirement) -> str:
    versions = ",".join(sorted(str(specifier) for specifier in requirement.specifier))
    return f"{plain_name(requirement.name)} {versions}".rstrip()
