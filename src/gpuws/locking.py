"""`gpuws env lock`, `env update`: solved on this laptop for the host, written beside the file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws import asking, places, view
from gpuws.config.lock_file import load_locks, lock_path, lock_text
from gpuws.config.writing import replace_file
from gpuws.errors import GpuwsError
from gpuws.options import Options
from gpuws.plan.as_built import EVERYTHING
from gpuws.plan.blame import with_lines
from gpuws.plan.codec import decode
from gpuws.plan.declared import missing_jupyter, pip_lines
from gpuws.plan.lock import Lock, LockedPackage, merged
from gpuws.plan.model import EnvironmentSpec
from gpuws.plan.naming import package_name
from gpuws.plan.requests import PlatformRequest, UpRequest
from gpuws.plan.results import Platform
from gpuws.plan.virtual import with_override

if TYPE_CHECKING:
    from gpuws.report import Plain
    from gpuws.solving.wanted import Solution


@dataclass(frozen=True)
class Assumed:
    """What the person says of the machine that will run it, instead of what the host says."""

    cuda: str | None = None  # "12.4", or "none"
    glibc: str | None = None

    def of(self, platform: Platform) -> Platform:
        virtual = platform.virtual
        for name, version in (("__cuda", self.cuda), ("__glibc", self.glibc)):
            virtual = with_override(virtual, name, version) if version else virtual
        return replace(platform, virtual=virtual)


def check_version(option: str, said: str | None) -> None:
    """Raises usage for what is no version, before anything goes over the wire."""
    if said is not None and said != "none" and not re.fullmatch(r"\d+(\.\d+){0,2}", said):
        raise GpuwsError("usage", f"{option} {said} is no version", hint=f"as in {option} 12.4")


@dataclass(frozen=True)
class Written:
    """A lock file, and what it was before, so that it can be so again."""

    path: Path
    before: bytes | None
    locks: tuple[Lock, ...]
    now: Lock
    old: Lock | None

    def undo(self) -> None:
        if self.before is None:
            self.path.unlink(missing_ok=True)
        else:
            _replace(self.path, self.before)


def run(
    host: str,
    files: Sequence[Path],
    options: Options,
    person: Plain,
    *,
    assumed: Assumed,
    jupyter: bool,
) -> dict[str, Any]:
    """What is locked already stays where it still fits the file.

    Raises environment-file-missing, no-solver, unsatisfiable, channel-unreachable, lock-invalid,
    and what reaching a host raises.
    """
    request, listed = _request(host, files, options, person, jupyter=jupyter)
    return told(lock(request, listed, person, assumed=assumed))


def update(
    host: str,
    packages: Sequence[str],
    files: Sequence[Path],
    options: Options,
    person: Plain,
    *,
    jupyter: bool,
) -> dict[str, Any]:
    """The newest that the file allows, of these packages or of all, and the environment of it:
    through the lock where there is one, else built of the file alone.

    A build that fails leaves the lock as it was. Raises usage for a package that a file without a
    lock does not name.
    """
    request, listed = _request(host, files, options, person, jupyter=jupyter)
    path = lock_path(listed)
    if not os.path.lexists(path):
        return _renewed(request, packages, person)
    written = lock(request, listed, person, renew=tuple(packages) or ("*",))
    try:
        request = replace(request, locks=written.locks)
        ready = view.open_workspace("up", request, person, detach=True, browser=False)
    except GpuwsError as error:
        written.undo()
        error.message += f"; {path.name} is as it was"
        raise
    return {**told(written), **ready}


def _renewed(request: UpRequest, packages: Sequence[str], person: Plain) -> dict[str, Any]:
    spec = request.spec
    named = {package_name(each) for each in (*spec.conda, *pip_lines(spec))} if spec else set()
    for each in packages:
        if package_name(each) not in named and spec:
            raise GpuwsError(
                "usage",
                f"{spec.source} does not ask for {each}: what comes along is free at every build",
                hint=f"`gpuws env update {request.reach.host}` renews everything; a lock "
                f"(`gpuws env lock {request.reach.host}`) holds everything, and renews one",
            )
    request = replace(request, renew=tuple(map(package_name, packages)) or (EVERYTHING,))
    return view.open_workspace("up", request, person, detach=True, browser=False)


def _request(
    host: str, files: Sequence[Path], options: Options, person: Plain, *, jupyter: bool
) -> tuple[UpRequest, tuple[Path, ...]]:
    """What `up` would ask without a lock, and the environment files. Raises
    environment-file-missing."""
    request, listed = asking.files_request(host, files, options, person, jupyter=jupyter)
    if listed:
        return request, listed
    raise GpuwsError(
        "environment-file-missing",
        f"no environment.yml, requirements.txt or pyproject.toml in {Path.cwd()} to lock",
        hint="name one with -f FILE",
        stage="environment",
    )


def lock(
    request: UpRequest,
    files: tuple[Path, ...],
    person: Plain,
    *,
    assumed: Assumed | None = None,
    renew: tuple[str, ...] = (),
) -> Written:
    """Solve for the host of the request and write. ``renew``: names, or * for all."""
    spec = request.spec
    if spec is None:
        raise GpuwsError("bug", "a lock was ordered without an environment file")
    path = lock_path(files)
    from gpuws.solving.apart import solved
    from gpuws.solving.wanted import Wanted

    old = load_locks(path) if os.path.lexists(path) else ()
    platform = _platform(request, spec, person, assumed)
    before = next((each for each in old if each.platform == platform.name), None)
    entry = request.reach.entry
    person.stage("solve", f"{spec.source} for {platform.name}")
    wanted = Wanted(
        source=str(path),
        spec=spec,
        extra=missing_jupyter(spec) if request.jupyter else (),
        channels=entry.channels,
        platform=platform,
        cache=str(places.private(places.cache())),
        index=entry.pip_index,
        mirror=entry.mirror,
        keep=_kept(before, renew),
    )
    try:
        found = solved(wanted)
    except GpuwsError as error:
        raise with_lines(error, spec) from None
    _say_without_cuda(found, platform, request.reach.host, person)
    return _write(path, merged(old, found.lock), found.lock, before, files)


def _kept(before: Lock | None, renew: tuple[str, ...]) -> tuple[LockedPackage, ...]:
    """Packages that stay where they still fit."""
    if before is None or "*" in renew:
        return ()
    return tuple(each for each in before.packages if each.name not in renew)


def _platform(
    request: UpRequest, spec: EnvironmentSpec, person: Plain, assumed: Assumed | None
) -> Platform:
    asked = view.one_shot("env_platform", PlatformRequest(request.reach, spec), person)
    found = decode(Platform, asked)
    told_cuda = dict(request.reach.entry.env).get("CONDA_OVERRIDE_CUDA")
    wanted = assumed or Assumed()
    wanted = replace(wanted, cuda=wanted.cuda or told_cuda)
    return wanted.of(found)


def _say_without_cuda(found: Solution, platform: Platform, host: str, person: Plain) -> None:
    if not found.without_cuda:
        return
    where = f"{host} is a login node" if platform.slurm else host
    person.warn(
        f"{', '.join(found.without_cuda)}: locked without CUDA, since {where} shows no driver; "
        "--cuda 12.4 says what the driver of the machine that will run it can do"
    )


def _write(
    path: Path, locks: tuple[Lock, ...], found: Lock, before: Lock | None, files: tuple[Path, ...]
) -> Written:
    data = path.read_bytes() if path.exists() else None
    sources = [os.path.relpath(each.absolute(), path.absolute().parent) for each in files]
    _replace(path, lock_text(locks, sources).encode())
    return Written(path, data, locks, found, before)


def _replace(path: Path, data: bytes) -> None:
    try:
        replace_file(path, data)
    except OSError as error:
        raise GpuwsError(
            "lock-invalid",
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"ls -ld {path.parent}",
            stage="environment",
        ) from error


def told(written: Written) -> dict[str, Any]:
    """The answer of `env lock`: what is locked, and what that changes."""
    now, old = _by_name(written.now), _by_name(written.old)
    return {
        "file": str(written.path.absolute()),
        "platform": written.now.platform,
        "conda": len(written.now.of("conda")),
        "pip": len(written.now.of("pip")),
        "download_bytes": written.now.download_bytes,
        "first": written.old is None,
        "added": [_words(now[key]) for key in now if key not in old],
        "removed": [_words(old[key]) for key in old if key not in now],
        "changed": [
            [_words(old[key]), _words(now[key])]
            for key in now
            if key in old and _words(old[key]) != _words(now[key])
        ],
    }


def _by_name(lock: Lock | None) -> dict[tuple[str, str], LockedPackage]:
    return {(each.manager, each.name): each for each in (lock.packages if lock else ())}


def _words(package: LockedPackage) -> str:
    return " ".join(filter(None, (package.name, package.version, package.build)))
