"""Code of the laptop in an environment: whose it is, where it lies on the host. Pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from gpuws.plan.model import EnvironmentSpec, LocalCode, Pairs


def placed(spec: EnvironmentSpec, workspace: str, folder: str) -> tuple[LocalCode, ...]:
    """The spec's local code with the place of each editable below ``folder``, the workspace's
    project folder on the host."""
    return tuple(
        replace(each, owner=workspace, place=str(PurePosixPath(folder) / each.inside))
        if each.kind == "editable"
        else each
        for each in spec.local
    )


def content(local: tuple[LocalCode, ...]) -> list[list[str]]:
    """What makes an environment another one: what an archive or a folder holds. An editable may
    change what it holds, but belongs to one workspace and lies at one place."""
    return [
        [each.line, each.digest or each.declares, each.owner, each.place]
        for each in sorted(local, key=lambda each: each.line)
    ]


def declared(local: tuple[LocalCode, ...]) -> list[list[str]]:
    """What a solver is told by it."""
    return sorted([each.line, each.declares] for each in local)


def lines_on_host(local: tuple[LocalCode, ...], build: str) -> dict[str, str]:
    """Line as written → line for pip or uv, which are run in ``build``, builds/<hash>."""
    return {
        each.line: f"{each.before}{_address(each, number, build)}{each.after}"
        for number, each in enumerate(local, start=1)
    }


def _address(code: LocalCode, number: int, build: str) -> str:
    """pip takes extras after a path, not after a URL; only an editable and a named requirement may
    be a URL, whose path may hold anything."""
    if code.kind == "editable":
        return PurePosixPath(code.place).as_uri()
    inside = copy_in_build(code, number)
    return PurePosixPath(f"{build}/{inside}").as_uri() if "@" in code.before else f"./{inside}"


def copy_in_build(code: LocalCode, number: int) -> str:
    """Where a folder or an archive lies below builds/<hash> while it is built."""
    return f"local/{number}/{file_of(code)}" if code.kind == "archive" else f"local/{number}"


def file_of(code: LocalCode) -> str:
    return code.path.replace("\\", "/").rpartition("/")[2]


def archive_place(root: str, code: LocalCode) -> str:
    """Where an archive is kept on the host, by its content."""
    return f"{root}/cache/archives/{code.digest[:2]}/{code.digest}/{file_of(code)}"


def written(local: tuple[LocalCode, ...], build: str) -> tuple[str, ...]:
    """Lines "LINE ON HOST, tab, LINE AS WRITTEN, tab, NAME", from which an export is made."""
    there = lines_on_host(local, build)
    return tuple(f"{there[each.line]}\t{each.line}\t{each.name}" for each in local)


def as_written(lines: tuple[str, ...]) -> tuple[dict[str, str], Pairs]:
    """Back from ``written``: (line on the host → as written), and (name, as written)."""
    parts = [each.split("\t") for each in lines]
    found = [each for each in parts if len(each) == 3]
    there = {on_host: line for on_host, line, _ in found}
    return there, tuple((name, line) for _, line, name in found if name)
