"""Exports from Windows and macOS: recognised, and rewritten so that Linux can solve them. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase

from gpuws.config.conda_specs import kind_of, python_constraint
from gpuws.plan.conda_spec import parsed
from gpuws.plan.model import EnvironmentSpec

# Packages that exist for one system only. (libcxx and llvm-openmp exist for Linux too.)
_ONLY_ON = {
    "Windows": (
        *("vc", "vs2015_runtime", "vc14_runtime", "vcomp14", "vs20??_win-64", "ucrt", "icc_rt"),
        *("m2-*", "m2w64-*", "msys2-*", "pywin32", "pywin32-ctypes", "pywinpty", "winpty"),
        *("wincertstore", "win_inet_pton", "win_unicode_console"),
        *("console_shortcut*", "powershell_shortcut*", "*_win-64"),
    ),
    "macOS": (
        *("appnope", "pyobjc", "pyobjc-core", "pyobjc-framework-*", "python.app"),
        *("*_osx-64", "*_osx-arm64"),
    ),
}
_PIP_ONLY_ON = {
    "Windows": ("pywin32", "pypiwin32", "pywinpty", "wmi"),
    "macOS": ("pyobjc", "pyobjc-core", "pyobjc-framework-*"),
}
_FOLDER_OF = {
    "Windows": re.compile(r"[A-Za-z]:[\\/]"),
    "macOS": re.compile(r"/Users/|/opt/homebrew/"),
}
_LINUX = frozenset({"_libgcc_mutex", "libgcc", "libgcc-ng", "libstdcxx", "libstdcxx-ng"})


def origin(conda: tuple[str, ...], pip: tuple[str, ...], prefix: str) -> str | None:
    """The system a list was exported on, when it cannot be built on Linux as it stands.

    Packages of one system tell it. So do exact builds together with a folder of that system in
    ``prefix``; a folder alone does not, because ``--from-history`` writes one and travels well.
    """
    parts = [each for spec in conda if (each := parsed(spec))]
    names = {each.name for each in parts}
    builds = any(each.exact_build for each in parts)
    for system, folder in _FOLDER_OF.items():
        here = any(_conda_only_on(system, name) for name in names)
        if here or any(_pip_only_on(system, line) for line in pip):
            return system
        if builds and folder.match(prefix):
            return system
    apple = builds and "libcxx" in names and not names & _LINUX
    return "macOS" if apple else None


def without_builds(spec: EnvironmentSpec) -> EnvironmentSpec:
    """The same list without exact builds and without packages of another system.

    Versions stay, and so do patterns such as ``pytorch=2.*=*cuda*``: no export writes those.
    """
    systems = (spec.foreign,) if spec.foreign else tuple(_ONLY_ON)
    kept = tuple(_without_build(s) for s in spec.conda if not _of_any(systems, s))
    pip = tuple(line for line in spec.pip if not any(_pip_only_on(s, line) for s in systems))
    if (kept, pip) == (spec.conda, spec.pip):
        return replace(spec, foreign=None)
    dropped = len(spec.conda) - len(kept) + len(spec.pip) - len(pip)
    note = f"exact builds are left out, and {dropped} packages of {spec.foreign or 'elsewhere'}"
    return replace(
        spec,
        kind=kind_of(kept),
        conda=kept,
        pip=pip,
        python=python_constraint(kept)[0] or spec.python,
        notes=(*spec.notes, note),
        foreign=None,
        places=tuple(
            (section, _without_build(written) if section == "conda" else written, where)
            for section, written, where in spec.places
        ),
    )


def _of_any(systems: tuple[str, ...], spec: str) -> bool:
    found = parsed(spec)
    return bool(found) and any(_conda_only_on(s, found.name) for s in systems if found)


def _conda_only_on(system: str, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in _ONLY_ON[system])


def _pip_only_on(system: str, line: str) -> bool:
    """A requirement for that system only; one with a marker says itself where it is wanted."""
    found = re.match(r"[A-Za-z0-9._-]+", line)
    if not found or ";" in line:
        return False
    name = re.sub(r"[._-]+", "-", found.group()).lower()
    return any(fnmatchcase(name, pattern) for pattern in _PIP_ONLY_ON[system])


def _without_build(spec: str) -> str:
    found = parsed(spec)
    if not found or not found.exact_build:
        return spec
    version = re.sub(r"^(==?)?(?=[0-9])", "=", found.version)
    return f"{found.channel}{found.name}{version if version.lstrip('=') != '*' else ''}"
