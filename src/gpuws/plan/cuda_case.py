"""A file on a host, as the judges of its CUDA see it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gpuws.plan.conda_spec import CondaSpec, parsed
from gpuws.plan.drivers import Version
from gpuws.plan.model import EnvironmentSpec, HostEntry, HostFacts


@dataclass(frozen=True)
class CudaWarning:
    """Why the cards would stay unused. ``where``: file:line; ``change``: what to do about it."""

    code: str
    where: str
    text: str
    change: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}; {self.change} ({self.code})"


@dataclass(frozen=True)
class Asked:
    """A line that asks for a CUDA. ``instead``: how it reads for another one, with {major} (12),
    {dotted} (12.4) or {tight} (124) in it."""

    where: str
    written: str
    cuda: Version
    instead: str
    pinned: bool = True  # this CUDA and no newer one
    sure: bool = True  # False: another line may be the one that counts


@dataclass(frozen=True)
class Case:
    spec: EnvironmentSpec
    facts: HostFacts
    entry: HostEntry

    @cached_property
    def conda(self) -> tuple[tuple[str, CondaSpec], ...]:
        """Each spec as written and in parts."""
        both = ((written, parsed(written)) for written in self.spec.conda)
        return tuple((written, spec) for written, spec in both if spec)

    @cached_property
    def names(self) -> frozenset[str]:
        """Of conda's packages."""
        return frozenset(spec.name for _, spec in self.conda)

    @property
    def cards(self) -> str:
        return f"on a host with {len(self.facts.gpus)} card(s)"

    def line(self, written: str) -> str:
        """Where a conda spec stands."""
        return self.spec.at("conda", written)
