"""Requirements → locked PyPI packages for the host's Python and platform, by uv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from gpuws.config.toml import toml_loads
from gpuws.errors import GpuwsError
from gpuws.plan.declared import as_text
from gpuws.plan.lock import LockedPackage
from gpuws.plan.mirrors import canonical
from gpuws.plan.model import Pairs
from gpuws.plan.naming import public
from gpuws.plan.wheels import best, machine_of, tags_of
from gpuws.solving.conda import Solved
from gpuws.solving.names import on_pypi

_PLATFORMS = (17, *range(28, 29), *range(31, 41))  # minor versions of glibc that uv knows
_ROUNDS = 8  # packages of conda that the index does not have in that version, at most
_NOT_THERE = re.compile(r"there (?:is|are) no versions? of ([A-Za-z0-9._-]+)==")
_SECONDS = 600
_ANSWER, _KEPT = "pylock.toml", "kept.txt"


@dataclass(frozen=True)
class Question:
    """``lines``, ``files``: a requirements.txt and what it refers to. ``conda``: what the prefix
    will have already. ``keep``: versions that stay where they still fit."""

    lines: tuple[str, ...]
    files: Pairs
    platform: str
    python: str
    glibc: str
    conda: tuple[LockedPackage, ...] = ()
    keep: tuple[LockedPackage, ...] = ()
    index: str | None = None  # of hosts.yaml


def solve(question: Question) -> Solved:
    """What pip must add to what conda installs.

    Raises no-solver without uv, unsatisfiable, package-not-found or channel-unreachable with uv's
    words in ``detail``.
    """
    provided = {on_pypi(each.name): each.version for each in question.conda if _of_python(each)}
    excluded: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="gpuws-lock-") as folder:
        place = Path(folder)
        for name, text in (("requirements.in", as_text(question.lines)), *question.files):
            (place / name).write_text(text, encoding="utf-8")
        for _ in range(_ROUNDS):
            said = _compiled(place, question, provided, excluded)
            if not said:
                answer = (place / _ANSWER).read_text(encoding="utf-8")
                return _solved(answer, question, frozenset(provided))
            missing = {on_pypi(name) for name in _NOT_THERE.findall(said)} & set(provided)
            if not missing - excluded:
                raise _failure(said)
            excluded |= missing
    raise _failure(said)


def _of_python(package: LockedPackage) -> bool:
    return any(name in ("python", "python_abi") for name, _ in package.depends)


def _compiled(place: Path, question: Question, provided: dict[str, str], excluded: set[str]) -> str:
    """What uv says against it; "" where its answer is in the folder."""
    pins = [
        f"{name}=={version}"
        for name, version in provided.items()
        if name not in excluded and _is_version(version)
    ]
    (place / "constraints.txt").write_text(as_text(pins), encoding="utf-8")
    (place / "excludes.txt").write_text(as_text(sorted(excluded)), encoding="utf-8")
    if question.keep:
        kept = [f"{each.name}=={each.version}" for each in question.keep if each.sha256]
        (place / _KEPT).write_text(as_text(kept), encoding="utf-8")
        said = _uv(place, question, _KEPT)  # versions of an output file that is there are kept
        if said:
            return said
    return _uv(place, question, _ANSWER, *((_KEPT,) if question.keep else ()))


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False


def _uv(place: Path, question: Question, target: str, *pins: str) -> str:
    """Compile into ``target``; what it says where it fails."""
    command = [_program(), "pip", "compile", "requirements.in", "-o", target]
    command += ["--quiet", "--no-header", "--no-annotate", "--python-version", question.python]
    command += ["--python-platform", _platform(question), "--excludes", "excludes.txt"]
    for each in ("constraints.txt", *pins):
        command += ["--constraints", each]
    done = subprocess.run(
        command,
        cwd=place,
        env=_environment(question.index),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr or f"uv ended with {done.returncode}"


def _program() -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found:
        return found
    raise GpuwsError(
        "no-solver", "locking the pip section needs uv", hint="pip install 'gpuws[lock]'"
    )


def _environment(index: str | None) -> dict[str, str]:
    """uv reads none of pip's settings, so those of this laptop are handed on; never in argv."""
    found = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    first = index or (
        None if {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(found) else _pip("INDEX_URL")
    )
    if first:
        found["UV_DEFAULT_INDEX"] = first
    more = _pip("EXTRA_INDEX_URL")
    if more and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & set(found):
        found["UV_INDEX"] = more
        found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if _pip("CERT"):
        found.setdefault("SSL_CERT_FILE", _pip("CERT"))
    return found


def _pip(name: str) -> str:
    return os.environ.get(f"PIP_{name}", "")


def _platform(question: Question) -> str:
    found = re.match(r"2\.(\d+)", question.glibc)
    minor = int(found[1]) if found else 17
    known = max(each for each in _PLATFORMS if each <= max(minor, 17))
    machine = machine_of(question.platform)
    return f"{machine}-manylinux_2_{known}" if machine != "ppc64le" else "linux"


# --- uv's answer ---------------------------------------------------------------------------------


def _solved(text: str, question: Question, provided: frozenset[str]) -> Solved:
    entries = toml_loads(text, "uv's answer", "no-solver").get("packages", [])
    tags = tags_of(question.platform, question.python, question.glibc)
    found = [
        _chosen(entry, tags)
        for entry in (entries if isinstance(entries, list) else [])
        if entry["name"] not in provided and not _of_laptop(entry)
    ]
    return Solved(tuple(package for package, _ in found), sum(size for _, size in found))


def _of_laptop(entry: dict[str, Any]) -> bool:
    """Code that a line names by its path: the build installs it, beside the lock."""
    return "directory" in entry or any("path" in each for each in _archives(entry))


def _chosen(entry: dict[str, Any], tags: Any) -> tuple[LockedPackage, int]:  # noqa: ANN401
    """The file that pip would take, and its size in bytes (0: not told)."""
    name, version = str(entry["name"]), str(entry.get("version", ""))
    if "vcs" in entry:
        vcs = entry["vcs"]
        url = f"{vcs['type']}+{public(vcs['url'])}@{vcs['commit-id']}"
        return LockedPackage("pip", name, version or "0", url, direct=True), 0
    archives = list(_archives(entry))
    by_file = {urlsplit(each["url"]).path.rsplit("/", 1)[-1]: each for each in archives}
    picked = best(by_file, tags) or next(iter(by_file))
    archive = by_file[picked]
    package = LockedPackage(
        "pip",
        name,
        version or _version_of(picked),
        canonical(archive["url"]),
        archive["hashes"]["sha256"],
    )
    return package, int(archive.get("size", 0))


def _archives(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The source first: it is taken where no wheel fits."""
    for key in ("archive", "sdist"):
        if key in entry:
            yield entry[key]
    yield from entry.get("wheels", ())


def _version_of(file: str) -> str:
    parts = file.split("-")
    return parts[1] if len(parts) > 2 else "0"


def _failure(said: str) -> GpuwsError:
    text = public(said.strip())
    code, message = next((code, message) for sign, code, message in _SIGNS if re.search(sign, text))
    return GpuwsError(
        code,
        message,
        hint="the lines are uv's own; the pip section is where to change it",
        stage="environment",
        detail=text,
    )


_SIGNS = (
    (
        r"was not found in the package registry|no versions of",
        "package-not-found",
        "a package of the pip section is not in the index",
    ),
    (
        r"Failed to fetch|error sending request|dns error|timed out",
        "channel-unreachable",
        "the package index cannot be read from this laptop",
    ),
    (r"", "unsatisfiable", "the pip section's packages cannot be had together on that host"),
)
