"""What an environment file asks for against what is installed, package by package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from gpuws.config.conda_specs import pep440
from gpuws.plan.conda_spec import parsed
from gpuws.plan.declared import pip_lines, requirement_of
from gpuws.plan.drift import Package, plain
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import public

_TOOLS = frozenset({"python", "pip", "uv"})  # come along where the list does not name them

Installed = dict[tuple[str, str], Package]


def unmet(spec: EnvironmentSpec, now: Sequence[Package], *, python: str = "") -> tuple[str, ...]:
    """Lines of the file that what is installed does not satisfy, each with what is there instead.

    ``python``: the interpreter's version where it is no conda package. A constraint that cannot be
    compared (a build, a choice, an address) counts as satisfied by the name.
    """
    there = {each.key: each for each in now}
    if spec.kind == "conda":
        first = tuple(_conda_unmet(spec.conda, there))
    else:
        own = there.get(("conda", "python"))
        first = _python_unmet(spec.python, own.version if own else python)
    return (*first, *_pip_unmet(_requirements(spec), there))


def unasked(spec: EnvironmentSpec, asked: Iterable[str], brought: Iterable[str]) -> tuple[str, ...]:
    """Names that the build was asked for and the file does not have any more. ``brought``: what
    gpuws put beside the file's list."""
    known = {plain(each.name) for each in map(parsed, spec.conda) if each}
    known |= {plain(each.name) for each in _requirements(spec)}
    known |= {plain(each.name) for each in spec.local if each.name}
    known |= _TOOLS | {plain(each) for each in brought}
    return tuple(dict.fromkeys(each for each in asked if plain(each) not in known))


def _requirements(spec: EnvironmentSpec) -> tuple[Requirement, ...]:
    return tuple(found for line in pip_lines(spec) if (found := requirement_of(line)))


def _conda_unmet(specs: Iterable[str], there: Installed) -> Iterator[str]:
    for text in specs:
        spec = parsed(text)
        if spec is None:
            continue
        found = there.get(("conda", plain(spec.name)))
        if found is None:
            yield f"{public(text)}: not installed"
        elif not _allows(pep440(spec.version), found.version):
            yield f"{public(text)}: {found.version} is installed"


def _pip_unmet(wanted: Iterable[Requirement], there: Installed) -> Iterator[str]:
    """A marker may say that it is not for this host: then nothing has to be there."""
    for each in wanted:
        found = there.get(("python", plain(each.name)))
        if found is None and each.marker is None:
            yield f"{public(str(each))}: not installed"
        elif found is not None and not _allows(str(each.specifier), found.version):
            yield f"{public(str(each))}: {found.version} is installed"


def _python_unmet(wanted: str | None, there: str) -> tuple[str, ...]:
    if not wanted or not there or _allows(wanted, there):
        return ()
    return (f"python {wanted}: {there} is installed",)


def _allows(specifier: str | None, version: str) -> bool:
    try:
        return specifier is None or SpecifierSet(specifier).contains(
            Version(version), prereleases=True
        )
    except InvalidVersion:
        return True
