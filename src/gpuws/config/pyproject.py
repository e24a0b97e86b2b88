"""pyproject.toml: ``project.dependencies`` and ``requires-python``, nothing else."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gpuws.config.requirement import check_requirement
from gpuws.config.source import Source
from gpuws.config.toml import toml_loads
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import check_name

# tomllib's time and memory grow with the square of a dotted key's length (20 s at 60 kB).
_LONG_KEY = re.compile(r"(?:(?:[\w-]{1,99}|\"[^\"\n]{0,99}\"|'[^'\n]{0,99}')[ \t]?\.[ \t]?){40}")


def read_pyproject(source: Source) -> EnvironmentSpec:
    """Raises GpuwsError with file and line."""
    project = project_table(source)
    name, name_notes = _name(project)
    lines = _dependencies(source, project)
    return EnvironmentSpec(
        source=source.shown,
        kind="pip",
        name=name,
        pip=lines,
        python=_python(source, project),
        notes=(*name_notes, *_notes(source, project, lines)),
        places=source.places("pip", ((line, _line_of(source, line)) for line in lines)),
    )


def project_table(source: Source) -> dict[str, object]:
    """The [project] table. Raises GpuwsError."""
    document = _parsed(source)
    project = document.get("project")
    if isinstance(project, dict):
        return project
    if "project" in document:
        raise _error(source, "project", "project must be a table")
    tool = document.get("tool")
    poetry = isinstance(tool, dict) and "poetry" in tool
    raise source.error(
        1,
        0,
        "there is no [project] table" + (", only Poetry's own" if poetry else ""),
        "give it `dependencies`, or name another file with -f",
    )


def _parsed(source: Source) -> dict[str, object]:
    long = _LONG_KEY.search(source.text)
    if long:
        raise source.error(*source.place(long.start()), "a key with more than 40 parts")
    try:
        return toml_loads(source.text, source.shown, source.code)
    except RecursionError:
        raise source.error(1, 0, "lists or tables are nested too deep") from None
    except ValueError as error:  # TOMLDecodeError is one; so is a number of 5,000 digits
        raise _syntax_error(source, str(error)) from error


def _syntax_error(source: Source, said: str) -> GpuwsError:
    found = re.search(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)", said)
    if not found:
        return source.error(1, 0, f"this is not TOML: {said[:200]}")
    reason = said[: found.start()]
    line, column = (int(found[1]), int(found[2])) if found[1] else source.place(len(source.text))
    return source.error(line, column, f"this is not TOML: {reason}")


def _name(project: dict[str, object]) -> tuple[str | None, tuple[str, ...]]:
    name = project.get("name")
    if not isinstance(name, str):
        return None, ()
    try:
        return check_name(name), ()
    except GpuwsError:
        return None, (f"project.name {name[:40]!a} cannot name a workspace; the folder's is taken",)


def _dependencies(source: Source, project: dict[str, object]) -> tuple[str, ...]:
    dynamic = project.get("dynamic")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        raise _error(
            source,
            "dynamic",
            "the dependencies are dynamic: only the build tool knows them",
            "name the file that lists them with -f",
        )
    found = project.get("dependencies", [])
    if not isinstance(found, list):
        raise _error(source, "dependencies", "dependencies must be a list")
    return tuple(_dependency(source, each) for each in found)


def _dependency(source: Source, found: object) -> str:
    if not isinstance(found, str):
        raise _error(source, "dependencies", f"a dependency must be text, not {found!a:.60}")
    text = found.strip()
    try:
        if not text or text.startswith("-") or " -" in text:
            raise ValueError(f"{text!a:.60} is no requirement")
        check_requirement(text)
    except ValueError as error:
        message, _, hint = str(error).partition("\n")
        raise _error(source, found or "dependencies", message, hint) from error
    return text


def _python(source: Source, project: dict[str, object]) -> str | None:
    found = project.get("requires-python")
    if found is None:
        return None
    if isinstance(found, str):
        try:
            SpecifierSet(found)
        except InvalidSpecifier:
            pass
        else:
            return found.replace(" ", "") or None
    raise _error(source, "requires-python", 'requires-python takes a range such as ">=3.10"')


def _notes(source: Source, project: dict[str, object], lines: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if not lines:
        notes.append(f"{source.shown} names no dependencies")
    extras = project.get("optional-dependencies")
    if isinstance(extras, dict) and extras:
        notes.append("optional-dependencies are not installed")
    return tuple(notes)


def _error(source: Source, word: str, message: str, hint: str = "") -> GpuwsError:
    return source.error(_line_of(source, word), 0, message, hint)


def _line_of(source: Source, word: str) -> int:
    """TOML readers keep no places: the line is where the word stands first."""
    return next((n for n, text in enumerate(source.lines, 1) if word in text), 1)
