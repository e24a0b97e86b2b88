"""A lock: every package of an environment for one platform, with its address and hash. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gpuws.errors import GpuwsError
from gpuws.plan import local
from gpuws.plan.declared import missing_jupyter
from gpuws.plan.model import EnvironmentSpec, LocalCode, Pairs
from gpuws.plan.naming import declaration, package_name, public


@dataclass(frozen=True)
class LockedPackage:
    """One archive. ``url`` is canonical (no mirror's) and without credentials."""

    manager: str  # conda | pip
    name: str
    version: str
    url: str
    sha256: str = ""  # "" only for a pip package that comes from a version control system
    md5: str = ""  # conda only
    build: str = ""  # conda only
    depends: Pairs = ()  # (name, constraint); names that begin with __ are the host's own
    direct: bool = False  # pip only: the file asks for this address, no index has it

    @property
    def file(self) -> str:
        """The archive's name, as the last part of the address."""
        return self.url.partition("#")[0].rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Lock:
    """``declared``: what ``declared_hash`` said of the file that was locked; "" where another tool
    wrote the lock, which tells nothing about the file."""

    source: str  # the lock's file, as shown to the user
    platform: str  # conda's name, linux-64
    packages: tuple[LockedPackage, ...]
    declared: str = ""
    virtual: Pairs = ()  # what the solve assumed of the host: (__cuda, 12.4), (__glibc, 2.35)
    python: str = ""  # the host's own, 3.11, where conda brings none
    channels: tuple[str, ...] = ()
    download_bytes: int = 0  # of all archives together; 0: unknown

    def of(self, manager: str) -> tuple[LockedPackage, ...]:
        return tuple(each for each in self.packages if each.manager == manager)

    def names(self) -> frozenset[str]:
        return frozenset(each.name for each in self.packages)


def declared_hash(spec: EnvironmentSpec, extra: tuple[str, ...], channels: tuple[str, ...]) -> str:
    """64 hex digits: the same for declarations that a solver is told the same by.

    Unlike an environment's hash it knows no machine, no index and no variables: a lock is for
    them all. ``channels`` are those that hosts.yaml names instead of the file's.
    """
    content = declaration(spec, extra)
    content["channels"] = [public(each) for each in channels or spec.channels]
    if spec.local:
        content["local"] = local.declared(spec.local)
    return _digest(content)


def locked_hash(lock: Lock, variables: Pairs, code: tuple[LocalCode, ...] = ()) -> str:
    """16 hex digits that name the environment: the same packages are the same environment,
    whatever the file that asked for them is called. ``code``: of the laptop, placed."""
    packages = sorted([each.manager, each.url, each.sha256 or each.md5] for each in lock.packages)
    content = [lock.platform, lock.python, packages, dict(variables)]
    return _digest([*content, local.content(code)] if code else content)[:16]


def usable(
    locks: tuple[Lock, ...],
    spec: EnvironmentSpec,
    channels: tuple[str, ...],
    jupyter: bool,
    required: bool,
) -> tuple[Lock, ...]:
    """The locks that this declaration is built from. One of another tool only where a lock is
    ``required``: whether it belongs to the file cannot be told. One with JupyterLab also serves
    without it.

    Raises lock-stale with what the file asks for and the lock does not have, lock-missing.
    """
    foreign = bool(locks) and not locks[0].declared
    if not locks or (foreign and not required):
        if required:
            raise GpuwsError(
                "lock-missing",
                f"{spec.source} has no lock file beside it",
                hint="`gpuws env lock HOST` writes one",
                stage="environment",
            )
        return ()
    if not foreign and not belongs(locks[0], spec, channels, jupyter=jupyter):
        raise _stale(locks[0], spec, missing_jupyter(spec) if jupyter else ())
    return locks


def belongs(lock: Lock, spec: EnvironmentSpec, channels: tuple[str, ...], *, jupyter: bool) -> bool:
    """Whether the lock was made for this declaration; with JupyterLab it serves without it too."""
    fitting = {declared_hash(spec, missing_jupyter(spec), channels)}
    if not jupyter:
        fitting.add(declared_hash(spec, (), channels))
    return lock.declared in fitting


def _stale(lock: Lock, spec: EnvironmentSpec, extra: tuple[str, ...]) -> GpuwsError:
    code = {each.line for each in spec.local}  # no lock has it
    lines = (*spec.conda, *(each for each in spec.pip if each not in code), *extra)
    asked = {package_name(each) for each in lines} - {""}
    has = {each.replace("_", "-") for each in lock.names()}
    lacking = ", ".join(sorted(asked - has))
    reason = f"it has no {lacking}" if lacking else "another version, channel or package is asked"
    return GpuwsError(
        "lock-stale",
        f"{lock.source} was not made for {spec.source} as it is now: {reason}",
        hint="`gpuws env lock HOST` renews it (what still fits stays as it is), or take --no-lock "
        "and build from the file alone",
        stage="environment",
    )


def of_platform(locks: tuple[Lock, ...], platform: str, host: str) -> Lock:
    """Raises lock-other-platform."""
    found = next((each for each in locks if each.platform == platform), None)
    if found:
        return found
    there = ", ".join(each.platform for each in locks)
    raise GpuwsError(
        "lock-other-platform",
        f"{locks[0].source} is for {there}; {host} is {platform}",
        hint=f"`gpuws env lock {host}` adds that platform to it",
        stage="environment",
    )


def of_lock(spec: EnvironmentSpec, lock: Lock) -> EnvironmentSpec:
    """The declaration with the tool and the python that its lock was solved for."""
    if lock.of("conda"):
        return replace(spec, kind="conda")
    return replace(spec, kind="pip", channels=(), python=f"=={lock.python}.*")


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def merged(old: Iterable[Lock], new: Lock) -> tuple[Lock, ...]:
    """The locks of one file after one platform was locked anew; those that were made for another
    declaration are out of date and go."""
    others = (each for each in old if each.platform != new.platform)
    kept = (replace(each, source=new.source) for each in others if each.declared == new.declared)
    return tuple(sorted((*kept, new), key=lambda each: each.platform))
