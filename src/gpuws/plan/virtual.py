"""What a host is to a solver: its platform and conda's virtual packages. Pure."""

from __future__ import annotations

import re

from gpuws.errors import GpuwsError
from gpuws.plan.lock import Lock
from gpuws.plan.model import HostFacts, Pairs

PLATFORMS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Linux", "arm64"): "linux-aarch64",
    ("Linux", "ppc64le"): "linux-ppc64le",
}
"""(uname -s, uname -m) → conda's name of the platform."""

# The x86-64 psABI's levels, by the names that /proc/cpuinfo gives their features.
_LEVELS = (
    ("x86_64_v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
    ("x86_64_v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86_64_v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
)
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<|=)?\s*([0-9][0-9A-Za-z.]*)(\.\*|\*)?")


def platform_of(facts: HostFacts) -> str:
    """Raises unsupported-platform for a machine that conda has no name for."""
    found = PLATFORMS.get((facts.system, facts.machine))
    if found:
        return found
    raise GpuwsError(
        "unsupported-platform",
        f"there are no conda packages for {facts.system} on {facts.machine}",
        hint="use a requirements.txt there",
        stage="environment",
    )


def glibc_minor(facts: HostFacts) -> int:
    """The N of glibc 2.N; 0 for musl and the unknown, for which only a static build will do."""
    found = re.fullmatch(r"2\.(\d{1,3})(?:\D.*)?", facts.glibc)
    return int(found[1]) if found and not facts.musl else 0


def virtual_packages(facts: HostFacts, *, kernel: str = "", flags: str = "") -> Pairs:
    """(name, version) as conda's solvers know them; __archspec's version is the level.

    ``kernel`` is what ``uname -r`` says, ``flags`` the features of the processor.
    """
    number = re.match(r"\d+(\.\d+){0,2}", kernel)
    found = [("__unix", "0"), ("__linux", number[0] if number else "0")]
    if facts.glibc and not facts.musl:
        found.append(("__glibc", facts.glibc))
    if facts.cuda:
        found.append(("__cuda", facts.cuda))
    return (*found, ("__archspec", _level(facts.machine, flags)))


def _level(machine: str, flags: str) -> str:
    has = set(flags.split())
    higher = [name for name, needs in _LEVELS if has.issuperset(needs.split())]
    return higher[0] if machine == "x86_64" and higher else machine


def with_override(virtual: Pairs, name: str, version: str) -> Pairs:
    """The same with another version of one; "none" takes it away."""
    rest = tuple(pair for pair in virtual if pair[0] != name)
    return rest if version == "none" else (*rest, (name, version))


def unmet(lock: Lock, facts: HostFacts) -> tuple[str, ...]:
    """What locked packages need of a host and this one does not have, in words.

    A host without any GPU may be the login node of those that have one: nothing is said of CUDA.
    """
    has = {"__glibc": facts.glibc, "__cuda": facts.cuda} if facts.cuda else {"__glibc": facts.glibc}
    said: dict[str, str] = {}
    for package in lock.packages:
        for name, constraint in package.depends:
            if name in has and not _meets(has[name], constraint):
                need = f"{package.name} needs {name} {constraint}".rstrip()
                said.setdefault(name, f"{need}, the host has {has[name] or 'none'}")
    return tuple(said.values())


def _meets(version: str, constraint: str) -> bool:
    """Whether a version is within a conda constraint; one that cannot be read is met."""
    if not version:
        return False
    words = constraint.split()
    return any(
        all(_holds(version, clause.strip()) for clause in each.split(","))
        for each in (words[0] if words else "*").split("|")
    )


def _holds(version: str, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if not found:
        return True
    operator, wanted, open_end = found.groups()
    has, asked = _numbers(version), _numbers(wanted)
    if operator in ("=", None) or open_end:
        begins = has[: len(asked)] == asked
        return begins if operator in ("=", "==", None) else _compared(operator, has, asked, begins)
    return _compared(operator, has, asked, has == asked)


def _compared(operator: str, has: list[int], asked: list[int], same: bool) -> bool:
    longest = max(len(has), len(asked))
    left = has + [0] * (longest - len(has))
    right = asked + [0] * (longest - len(asked))
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": left == right,
        "!=": not same,
    }[operator]


def _numbers(version: str) -> list[int]:
    """3.0a0 → [3, 0]: pre-releases of a system library do not exist."""
    parts = (re.match(r"\d+", part) for part in version.split("."))
    return [int(part[0]) for part in parts if part]
