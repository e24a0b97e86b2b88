"""A lock: every package of an environment for one platform, with its address and hash. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.plan.model import Pairs


@dataclass(frozen=True)
class LockedPackage:
    """One archive. ``url`` is canonical (no mirror's) and without credentials."""

    manager: str  # conda | pip
    name: str
    version: str
    url: str
    sha256: str = ""
    md5: str = ""  # conda only
    build: str = ""  # conda only
    depends: Pairs = ()  # (name, constraint); names that begin with __ are the host's own

    @property
    def file(self) -> str:
        """The archive's name, as the last part of the address."""
        return self.url.partition("#")[0].rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Lock:
    """``declared``: what naming.declaration_hash said of the file that was locked; "" where another
    tool wrote the lock, which tells nothing about the file."""

    source: str  # the lock's file, as shown to the user
    platform: str  # conda's name, linux-64
    packages: tuple[LockedPackage, ...]
    declared: str = ""
    virtual: Pairs = ()  # what the solve assumed of the host: (__cuda, 12.4), (__glibc, 2.35)
    channels: tuple[str, ...] = ()
    download_bytes: int = 0  # of all archives together; 0: unknown

    def of(self, manager: str) -> tuple[LockedPackage, ...]:
        return tuple(each for each in self.packages if each.manager == manager)
