"""What a declaration comes to: the specs and requirements that a tool is given. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gpuws.plan.model import EnvironmentSpec, Pairs
from gpuws.plan.naming import package_name

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_INCLUDE = re.compile(r"(\s*(?:-r|--requirement|-c|--constraint)(?:\s+|=))(\S.*?)(\s+#.*)?\s*")


def conda_specs(spec: EnvironmentSpec, extra: tuple[str, ...]) -> tuple[str, ...]:
    """The conda part, without ``extra`` (what gpuws brings), with the python and pip that the rest
    needs."""
    specs = list(spec.conda)
    names = {package_name(each) for each in specs}
    if spec.kind == "pip" and "python" not in names:
        specs.append(f"python {spec.python}" if spec.python else "python")
    through_pip = spec.pip or extra
    if through_pip and "pip" not in names:
        specs.append("pip")
    return tuple(specs)


def requirement_lines(
    spec: EnvironmentSpec, extra: tuple[str, ...], code: Mapping[str, str] = MappingProxyType({})
) -> tuple[tuple[str, ...], Pairs]:
    """The lines of a requirements.txt, and the files they refer to under names of ours.

    A name such as ``../base.txt`` would leave its folder, so each becomes include-N.txt. ``code``:
    for a line that names local code, the line with the place where it lies.
    """
    names = {
        name: f"include-{number}.txt" for number, (name, _) in enumerate(spec.pip_files, start=1)
    }
    lines = tuple(code.get(line) or _renamed(line, names) for line in spec.pip)
    if spec.kind == "pip":
        lines = (*lines, *extra)
    included = tuple(
        (
            names[name],
            "".join((code.get(each) or _renamed(each, names)) + "\n" for each in text.splitlines()),
        )
        for name, text in spec.pip_files
    )
    return lines, included


def _renamed(line: str, names: dict[str, str]) -> str:
    found = _INCLUDE.fullmatch(line)
    if not found or found[2] not in names:
        return line
    return found[1] + names[found[2]]


def pip_lines(spec: EnvironmentSpec) -> tuple[str, ...]:
    """The lines of the pip section, then those of the files that it refers to with -r."""
    used = {
        found[2]
        for line in spec.pip
        if (found := _INCLUDE.fullmatch(line)) and "-c" not in found[1]
    }
    files = (text for name, text in spec.pip_files if name in used)
    return (*spec.pip, *(line for text in files for line in text.splitlines()))


def requirement_of(line: str) -> Requirement | None:
    """None for a line that is no requirement: an option, a comment, a path."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(re.split(r"(?:^|\s)#|\s--", line)[0].strip())
    except InvalidRequirement:
        return None


def pip_names(spec: EnvironmentSpec, extra: tuple[str, ...]) -> tuple[str, ...]:
    """Distributions that must be there when pip has ended; those with a marker may be absent."""
    lines = (*pip_lines(spec), *(extra if spec.kind == "pip" else ()))
    code = {each.line for each in spec.local}
    asked = (requirement_of(line) for line in lines if line not in code)
    names = [each.name for each in asked if each and each.marker is None]
    names += [each.name for each in spec.local if each.name and ";" not in each.after]
    return tuple(dict.fromkeys(names))


def missing_jupyter(spec: EnvironmentSpec) -> tuple[str, ...]:
    """What must come beside the user's list so that JupyterLab and its kernel are there."""
    declared = {package_name(text) for text in (*spec.conda, *spec.pip)}
    declared |= {package_name(line) for _, text in spec.pip_files for line in text.splitlines()}
    return tuple(name for name in ("jupyterlab", "ipykernel") if not (declared & {name}))


def as_text(lines: Iterable[str]) -> str:
    """A file of these lines."""
    return "".join(line + "\n" for line in lines)
