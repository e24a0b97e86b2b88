"""One more package in somebody's environment file: a line more, and not a character else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gpuws.config.conda_specs import checked_spec
from gpuws.config.editing import inserted
from gpuws.config.environment import load_environment
from gpuws.config.requirement import check_requirement
from gpuws.config.source import ENVIRONMENT, read_source
from gpuws.config.writing import replace_file
from gpuws.config.yaml_file import Items, Scalar, Table, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import package_name

_FORM = "its form is one that a line more would change"
_DASH = re.compile(r"(\s*)-(\s+)")


@dataclass(frozen=True)
class Edited:
    """A file that has been changed, and how to take that back."""

    path: Path
    before: bytes
    added: tuple[str, ...]

    def undo(self) -> None:
        _write(self.path, self.before)


def add_packages(path: Path, packages: Sequence[str], *, pip: bool) -> Edited:
    """``packages``: conda specs, or with ``pip`` requirements, which a requirements.txt takes only.

    What the file declares afterwards is what it declared before and these, or nothing is written.
    Raises environment-file-invalid, also for a package that is there already.
    """
    before = load_environment(path)
    target = path.resolve()
    raw = target.read_bytes()
    in_yaml = path.suffix.lower() in (".yml", ".yaml")
    if not in_yaml and path.suffix.lower() not in (".txt", ".in"):
        raise _by_hand(path, "a pyproject.toml has tools of its own for this: `uv add`")
    wanted = [_checked(path, each, pip=pip or not in_yaml) for each in packages]
    _refuse_known(path, before, wanted, pip=pip or not in_yaml)
    text = raw.decode("utf-8")
    new = _in_yaml(path, text, wanted, pip=pip) if in_yaml else _at_the_end(text, wanted)
    _write(target, new.encode())
    done = Edited(target, raw, tuple(wanted))
    try:
        if not _only_more(before, _read_again(path), wanted, pip=pip or not in_yaml):
            raise _by_hand(path, _FORM)
    except BaseException:
        done.undo()
        raise
    return done


def _read_again(path: Path) -> EnvironmentSpec:
    try:
        return load_environment(path)
    except GpuwsError:
        raise _by_hand(path, _FORM) from None


def _checked(path: Path, written: str, *, pip: bool) -> str:
    try:
        if pip:
            check_requirement(written)
            return written
        return checked_spec(written)
    except ValueError as error:
        message, _, hint = str(error).partition("\n")
        raise GpuwsError(
            ENVIRONMENT, f"{path}: {message}", hint=hint, stage="environment"
        ) from None


def _refuse_known(path: Path, before: EnvironmentSpec, wanted: Sequence[str], *, pip: bool) -> None:
    known = {package_name(each): each for each in (before.pip if pip else before.conda)}
    for each in wanted:
        if (there := known.get(package_name(each))) is not None:
            raise GpuwsError(
                ENVIRONMENT,
                f"{path} has {there} already",
                hint="change that line, then run `gpuws up`",
                stage="environment",
            )


def _only_more(
    before: EnvironmentSpec, after: EnvironmentSpec, wanted: Sequence[str], *, pip: bool
) -> bool:
    """``kind`` may change: a first package of conda makes the file one of conda's."""
    more = {"pip": (*before.pip, *wanted)} if pip else {"conda": (*before.conda, *wanted)}
    if (
        pip
        and "pip" not in map(package_name, before.conda)
        and "pip" in map(package_name, after.conda)
    ):
        more["conda"] = after.conda
    expected = replace(before, **more, kind=after.kind, notes=after.notes)  # type: ignore[arg-type]
    return (
        sorted(expected.conda) == sorted(after.conda)
        and replace(expected, conda=after.conda) == after
    )


def _by_hand(path: Path, why: str) -> GpuwsError:
    return GpuwsError(
        ENVIRONMENT,
        f"{path} cannot be edited for you: {why}",
        hint="add the line by hand, then run `gpuws up`",
        stage="environment",
    )


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        raise GpuwsError(
            ENVIRONMENT,
            f"{path} cannot be written: {error.strerror or error}",
            hint="add the line by hand, then run `gpuws up`",
            stage="environment",
        ) from None


# --- where the line goes --------------------------------------------------------------------------


def _at_the_end(text: str, wanted: Sequence[str]) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    body = text if not text or text.endswith("\n") else text + end
    return body + "".join(f"{each}{end}" for each in wanted)


def _in_yaml(path: Path, text: str, wanted: Sequence[str], *, pip: bool) -> str:
    lines = text.splitlines(keepends=True)
    top = load_yaml(read_source(path))
    found = top.values.get("dependencies") if isinstance(top, Table) else None
    if found is None or not isinstance(found[1], Items) or not found[1].values:
        raise _by_hand(path, "it has no list under dependencies:")
    listed = found[1].values
    plain = [each for each in listed if isinstance(each, Scalar)]
    section = next((each for each in listed if isinstance(each, Table)), None)
    if pip and section is not None:
        [(_, inner)] = section.values.values()
        last = inner.values[-1] if isinstance(inner, Items) and inner.values else None
        if not isinstance(last, Scalar):
            raise _by_hand(path, "its pip section is no list of lines")
        new = [f"{_dash(path, lines, last.line)}{_quoted(each)}" for each in wanted]
        return inserted(lines, last.line, new)
    if not plain:
        raise _by_hand(path, "it has no package to put one behind")
    dash = _dash(path, lines, plain[-1].line)
    if not pip:
        return inserted(lines, plain[-1].line, [f"{dash}{_quoted(each)}" for each in wanted])
    inner_dash = " " * len(dash) + "  - "
    new = [f"{dash}pip"] if "pip" not in {package_name(each.text) for each in plain} else []
    new += [f"{dash}pip:", *(f"{inner_dash}{_quoted(each)}" for each in wanted)]
    return inserted(lines, plain[-1].line, new)


def _dash(path: Path, lines: list[str], number: int) -> str:
    found = _DASH.match(lines[number - 1].removeprefix("\ufeff"))
    if not found:
        raise _by_hand(path, "its list is not one of a package a line")
    return found[0]


def _quoted(text: str) -> str:
    """As people write it where YAML lets them."""
    if re.search(r"[:#&*!|>%@`{}\[\],]|^[-?<=]|^\s|\s$", text):
        return "'" + text.replace("'", "''") + "'"
    return text
