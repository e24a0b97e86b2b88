"""What is to be solved, as a plain value."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.model import EnvironmentSpec, Mirror
from gpuws.plan.results import Platform


@dataclass(frozen=True)
class Wanted:
    """``source``: the lock's file. ``extra``: what gpuws brings beside the list. ``channels``: of
    hosts.yaml, instead of the file's. ``keep``: packages that stay where they still fit.
    ``cache``: a folder on the laptop. ``mirror``: where packages come from first; what is locked
    names their origin all the same."""

    source: str
    spec: EnvironmentSpec
    extra: tuple[str, ...]
    channels: tuple[str, ...]
    platform: Platform
    cache: str
    index: str | None = None
    mirror: Mirror | None = None
    keep: tuple[LockedPackage, ...] = ()


@dataclass(frozen=True)
class Solution:
    """``without_cuda``: locked packages that also exist in builds for a driver, where none was
    assumed."""

    lock: Lock
    without_cuda: tuple[str, ...] = ()
