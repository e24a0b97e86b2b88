"""A declaration and a platform → a lock: conda's part first, then what pip adds to it."""

from __future__ import annotations

import re
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.plan.declared import conda_specs, requirement_lines
from gpuws.plan.lock import Lock, LockedPackage, declared_hash
from gpuws.plan.mirrors import candidates, canonical
from gpuws.plan.model import LocalCode, Mirror
from gpuws.solving import conda, pip
from gpuws.solving.conda import Solved
from gpuws.solving.wanted import Solution, Wanted

_NOTHING = Solved((), 0)
_JUPYTER_MISSING = re.compile(r"No candidates were found for (?:jupyterlab|ipykernel)\b")


def solve(wanted: Wanted) -> Solution:
    """Raises what solving.conda and solving.pip raise."""
    by_conda = _NOTHING if wanted.platform.python else _conda(wanted)
    by_pip = _pip(wanted, by_conda.packages)
    lock = Lock(
        source=wanted.source,
        platform=wanted.platform.name,
        packages=(*by_conda.packages, *by_pip.packages),
        declared=declared_hash(wanted.spec, wanted.extra, wanted.channels),
        virtual=wanted.platform.virtual,
        python=".".join(wanted.platform.python.split(".")[:2]),
        channels=_channels(wanted) if by_conda.packages else (),
        download_bytes=by_conda.download_bytes + by_pip.download_bytes,
    )
    return Solution(lock, by_conda.without_cuda)


def _channels(wanted: Wanted) -> tuple[str, ...]:
    """Without the credentials that an address of the file or of hosts.yaml may hold."""
    urls = conda.channel_urls(wanted.channels or wanted.spec.channels)
    return tuple(canonical(each, wanted.mirror) for each in urls)


def _conda(wanted: Wanted) -> Solved:
    """JupyterLab is ours to bring: where the channels do not have it, pip does."""
    specs = conda_specs(wanted.spec, wanted.extra)
    if wanted.spec.kind != "conda" or not wanted.extra:
        return _asked(wanted, specs)
    try:
        return _asked(wanted, (*specs, *wanted.extra))
    except GpuwsError as error:
        if error.code != "unsatisfiable" or not _JUPYTER_MISSING.search(error.detail):
            raise
    return _asked(wanted, specs)


def _asked(wanted: Wanted, specs: tuple[str, ...]) -> Solved:
    keep = tuple(each for each in wanted.keep if each.manager == "conda")
    channels = wanted.channels or wanted.spec.channels
    through = tuple(_first(wanted.mirror, each) for each in channels)

    def solved(sources: tuple[str, ...]) -> Solved:
        where, platform = Path(wanted.cache) / "repodata", wanted.platform
        about = (platform.name, platform.virtual, wanted.mirror)
        return conda.solve(specs, sources, *about, keep=keep, cache=where)

    if through == channels:
        return solved(channels)
    try:
        return solved(through)
    except GpuwsError as error:
        if error.code != "channel-unreachable":  # the mirror may lack one of them
            raise
    return solved(channels)


def _first(mirror: Mirror | None, channel: str) -> str:
    """The mirror's best address of a channel, or the channel as it is named."""
    return next(iter(candidates(mirror, channel) if mirror else ()), channel)


def _pip(wanted: Wanted, by_conda: tuple[LockedPackage, ...]) -> Solved:
    lines, files = _requirements(wanted, by_conda)
    if not lines:
        return _NOTHING
    python = wanted.platform.python or _python(wanted, by_conda)
    return pip.solve(
        pip.Question(
            lines=lines,
            files=files,
            platform=wanted.platform.name,
            python=python,
            glibc=dict(wanted.platform.virtual).get("__glibc", ""),
            conda=by_conda,
            keep=tuple(each for each in wanted.keep if each.manager == "pip"),
            index=wanted.index or (wanted.mirror.pip if wanted.mirror else None),
        )
    )


def _requirements(
    wanted: Wanted, by_conda: tuple[LockedPackage, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    code = {each.line: _here(each) for each in wanted.spec.local}
    lines, files = requirement_lines(wanted.spec, wanted.extra, code)
    if wanted.platform.python:
        return (*lines, "pip"), files  # %pip in notebooks
    there = {each.name for each in by_conda}
    if wanted.spec.kind == "conda":
        lines += tuple(each for each in wanted.extra if each not in there)
    return lines, files


def _here(code: LocalCode) -> str:
    """The line with the laptop's own place: uv reads there what the code needs."""
    return f"{code.before}{Path(code.path).as_uri()}{code.after}"


def _python(wanted: Wanted, by_conda: tuple[LockedPackage, ...]) -> str:
    found = [each.version for each in by_conda if each.name == "python"]
    if found:
        return found[0]
    raise GpuwsError(
        "environment-file-invalid",
        f"{wanted.spec.source}: there is a pip section, and no python among the packages",
        hint="add python to dependencies:",
        stage="environment",
    )
