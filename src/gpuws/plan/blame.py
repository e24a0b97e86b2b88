"""A solver's words → the lines of the file that they are about. Pure."""

from __future__ import annotations

import re

from gpuws.errors import GpuwsError
from gpuws.plan.drift import plain
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import package_name

_ABOUT_LINES = frozenset({"unsatisfiable", "package-not-found"})
_MOST = 8
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def with_lines(error: GpuwsError, spec: EnvironmentSpec) -> GpuwsError:
    """The same error; its hint names the file's lines whose packages the solver speaks of."""
    if error.code not in _ABOUT_LINES:
        return error
    lines = concerned(spec, f"{error.message}\n{error.detail}")
    if lines:
        error.hint = f"{error.hint}; it is about {', '.join(lines)}"
    return error


def concerned(spec: EnvironmentSpec, said: str) -> tuple[str, ...]:
    """``environment.yml:7 (left)``, in the order of the file."""
    spoken = {plain(word.strip("-_.")) for word in _WORD.findall(said)}
    found = [
        f"{where} ({written})"
        for section, written, where in spec.places
        if section in ("conda", "pip") and plain(package_name(written).strip("-_.")) in spoken
    ]
    more = [f"{len(found) - _MOST} more"] if len(found) > _MOST else []
    return (*found[:_MOST], *more)
