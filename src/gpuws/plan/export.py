"""An environment on a host as an environment.yml again: as asked for, pinned, or exact. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpuws.plan import answers
from gpuws.plan.drift import Drift, Package, own, plain

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.=-]*")
_NAME = re.compile(r"(?:([^:\s]+::))?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*(?:[<>=!~][^;#@]*)?(?:;(.*))?"
)
_COMMENT = re.compile(r"(?:^|\s+)#.*|\s+$")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True)
class Declared:
    """What the build was asked for, as its files on the host say."""

    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    local: tuple[tuple[str, str], ...] = ()  # (name, line) of what came from a laptop


def declared_from(
    yml: Iterable[str],
    pip: Iterable[str],
    variables: str,
    *,
    without: Iterable[str],
    local: Iterable[tuple[str, str]] = (),
) -> Declared:
    """From the lines of environment-plain.yml and requirements.txt and from variables.json of a
    build. ``without``: what gpuws brought beside the list; ``local``: (name, line) of what came
    from a laptop."""
    parts: dict[str, list[str]] = {"channels:": [], "dependencies:": []}
    part: list[str] = []
    for line in yml:
        if line in parts:
            part = parts[line]
        elif line.startswith("  - ") and (found := _text(line[4:])):
            part.append(found)
    brought = {plain(each) for each in without}
    wanted = [_COMMENT.sub("", line) for line in pip if answers.text(line, 400)]
    known = answers.json_object(variables).get("env_vars")
    pairs = known.items() if isinstance(known, dict) else ()
    return Declared(
        channels=tuple(parts["channels:"]),
        conda=tuple(parts["dependencies:"]),
        pip=tuple(line for line in wanted if line and plain(line.strip()) not in brought),
        variables=tuple((k, v) for k, v in pairs if isinstance(v, str)),
        local=tuple(local),
    )


def _text(quoted: str) -> str | None:
    try:
        return answers.text(json.loads(quoted), 400)
    except ValueError:
        return None


def exported(
    name: str, declared: Declared, now: Sequence[Package], by_hand: Sequence[Package], how: str
) -> str:
    """``how``: asked (as it was written), pinned (the same with the versions that are there), or
    exact (everything, conda packages with their builds). What was installed by hand since is added
    with its version: written down, it is no drift any more."""
    there = own(now)
    hand = {each.key for each in by_hand}
    if how == "exact":
        conda = sorted(each.words for each in there.values() if each.kind == "conda")
        conda = conda or [each for each in declared.conda if _named(each) == "python"]
        lines = {plain(each): line for each, line in declared.local}  # no index has that version
        python = [each for each in there.values() if each.kind == "python"]
        pip = sorted(lines.get(plain(each.name), each.words) for each in python)
        later: list[str] = []
    else:
        pinned = how == "pinned"
        conda = [_pinned_conda(each, there) if pinned else each for each in declared.conda]
        pip = [_pinned_pip(each, there) if pinned else each for each in declared.pip]
        later = sorted(there[key].words for key in hand if key in there and key[0] == "python")
        conda += sorted(_short(there[key]) for key in hand if key in there and key[0] == "conda")
    if (pip or later) and "pip" not in map(_named, conda):
        conda.append("pip")
    return _written(name, declared, conda, pip, later)


def undeclared(declared: Declared, moved: Drift) -> tuple[Package, ...]:
    """What was installed or changed by hand and has no line of its own to be pinned on."""
    lines = {*map(_named, declared.conda)}
    lines |= {plain(found[1]) for line in declared.pip if (found := _REQUIREMENT.fullmatch(line))}
    changed = (now for _, now in moved.changed if plain(now.name) not in lines)
    return (*moved.added, *changed)


def _written(
    name: str, declared: Declared, conda: list[str], pip: list[str], later: list[str]
) -> str:
    lines = [f"name: {_scalar(name)}"]
    if declared.channels:
        lines += ["channels:", *(f"  - {_scalar(each)}" for each in declared.channels)]
    lines += ["dependencies:", *(f"  - {_scalar(each)}" for each in conda)]
    if pip or later:
        lines += ["  - pip:", *(f"      - {_scalar(each)}" for each in pip)]
        lines += [f"      - {_scalar(each)}  # installed by hand" for each in later]
    if declared.variables:
        pairs = (f"  {key}: {json.dumps(value)}" for key, value in declared.variables)
        lines += ["variables:", *pairs]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """A JSON string is YAML too; words that YAML would take for something else need its marks."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)


def _named(spec: str) -> str:
    found = _NAME.match(spec.strip())
    return plain(found[2]) if found else ""


def _short(package: Package) -> str:
    return f"{package.name}={package.version}"


def _pinned_conda(spec: str, there: dict[tuple[str, str], Package]) -> str:
    """With the channel that it was asked from; as written where conda did not install it."""
    found, package = _NAME.match(spec.strip()), there.get(("conda", _named(spec)))
    return f"{(found and found[1]) or ''}{_short(package)}" if package else spec


def _pinned_pip(line: str, there: dict[tuple[str, str], Package]) -> str:
    """Options, files and addresses stay as they are; extras and markers stay with the name."""
    found = _REQUIREMENT.fullmatch(line)
    package = there.get(("python", plain(found[1]))) if found else None
    if found is None or package is None or package.editable:
        return line
    marker = f"; {found[3].strip()}" if found[3] else ""
    return f"{found[1]}{found[2] or ''}=={package.version}{marker}"
