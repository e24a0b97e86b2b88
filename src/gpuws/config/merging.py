"""Several environment files as one: in their order, a later line about a package wins. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gpuws.config.conda_specs import kind_of, python_constraint
from gpuws.config.source import ENVIRONMENT
from gpuws.errors import GpuwsError
from gpuws.plan.conda_spec import parsed
from gpuws.plan.drift import plain
from gpuws.plan.model import EnvironmentSpec, LocalCode, Pairs, Place
from gpuws.plan.naming import package_name

T = TypeVar("T")


def merged(specs: Sequence[EnvironmentSpec]) -> EnvironmentSpec:
    """What one file with all of it would declare. Notes name what replaces what, with both places.

    Raises environment-file-invalid where two of them refer to different files by one name.
    """
    if len(specs) == 1:
        return specs[0]
    conda = _latest((spec.conda for spec in specs), _conda_key)
    conda, python = _with_required_python(conda, specs)
    names = [spec.name for spec in specs if spec.name is not None]
    return EnvironmentSpec(
        source=" + ".join(spec.source for spec in specs),
        kind=kind_of(conda),
        name=names[-1] if names else None,
        channels=_each_once(channel for spec in specs for channel in spec.channels),
        conda=conda,
        pip=_latest((spec.pip for spec in specs), _pip_key),
        pip_files=_referred(specs),
        local=_local(specs),
        variables=_latest((spec.variables for spec in specs), lambda pair: pair[0]),
        python=python,
        notes=_each_once((*(n for spec in specs for n in spec.notes), *_conflicts(specs))),
        foreign=next((spec.foreign for spec in specs if spec.foreign), None),
        places=_latest((spec.places for spec in specs), _place_key),
    )


def _latest(lists: Iterable[tuple[T, ...]], key: Callable[[T], str]) -> tuple[T, ...]:
    """All of each list, but of earlier ones only what later ones have no word on."""
    kept: tuple[T, ...] = ()
    for listed in lists:
        said = set(map(key, listed))
        kept = (*(each for each in kept if key(each) not in said), *listed)
    return kept


def _each_once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _with_required_python(
    conda: tuple[str, ...], specs: Sequence[EnvironmentSpec]
) -> tuple[tuple[str, ...], str | None]:
    """(conda's list, the constraint of all). ``requires-python`` of a pyproject.toml chooses no
    version, so it holds beside what another file chooses."""
    bare = [spec for spec in specs if "python" not in map(_conda_key, spec.conda)]
    required = _each_once(spec.python for spec in bare if spec.python)
    if not conda:
        return conda, ",".join(required) or None
    conda += tuple(f"python{each}" for each in required)
    return conda, python_constraint(conda)[0]


def _referred(specs: Sequence[EnvironmentSpec]) -> Pairs:
    """The files behind ``-r`` and ``-c``."""
    found: dict[str, tuple[str, EnvironmentSpec]] = {}
    for spec in specs:
        for name, text in spec.pip_files:
            before, other = found.setdefault(name, (text, spec))
            if before != text:
                raise GpuwsError(
                    ENVIRONMENT,
                    f"{other.source} and {spec.source} refer to two different files named {name}",
                    hint="give one of the two another name",
                )
    return tuple((name, text) for name, (text, _) in found.items())


def _local(specs: Sequence[EnvironmentSpec]) -> tuple[LocalCode, ...]:
    """Code of the laptop, of whichever file names it; one that a later line replaces is not named
    by any line any more, and nothing comes of it."""
    return tuple({code.line: code for spec in specs for code in spec.local}.values())


# --- which lines are about the same thing ---------------------------------------------------------


def _conda_key(written: str) -> str:
    spec = parsed(written)
    return spec.name if spec else written


def _pip_key(line: str) -> str:
    """The package, or of pip's options the one that is given once; else the line itself."""
    if re.match(r"(-i|--index-url)\b", line):
        return "--index-url"
    if re.match(r"-|[a-z+]+://", line):
        return line
    return plain(package_name(line))


def _place_key(place: Place) -> str:
    section, written, _ = place
    keys = {"conda": _conda_key, "pip": _pip_key}
    return f"{section} {keys.get(section, str)(written)}"


# --- what is told ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Said:
    """What a file says about one thing. ``words``: of an address, which may hold a password, and of
    a variable only the name."""

    lines: tuple[str, ...]
    words: str
    where: str


def _conflicts(specs: Sequence[EnvironmentSpec]) -> Iterator[str]:
    known: dict[str, _Said] = {}
    for spec in specs:
        found = {**_said(spec, "conda"), **_said(spec, "pip"), **_said(spec, "variables")}
        if spec.name is not None:
            found["name"] = _Said((spec.name,), f"name: {spec.name}", spec.source)
        for key, new in found.items():
            old = known.get(key)
            if old and old.lines != new.lines:
                yield f"{new.where}: {new.words} replaces {old.words} of {old.where}"
        known |= found


def _said(spec: EnvironmentSpec, section: str) -> dict[str, _Said]:
    found: dict[str, list[str]] = {}
    for written in _written(spec, section):
        found.setdefault(_place_key((section, written, "")), []).append(written)
    values = dict(spec.variables) if section == "variables" else {}
    return {
        key: _Said(
            tuple(values.get(line, line) for line in lines),
            key.partition(" ")[2] if "://" in lines[0] else lines[0],
            spec.at(section, lines[0]),
        )
        for key, lines in found.items()
    }


def _written(spec: EnvironmentSpec, section: str) -> tuple[str, ...]:
    if section == "variables":
        return tuple(name for name, _ in spec.variables)
    return spec.conda if section == "conda" else spec.pip
