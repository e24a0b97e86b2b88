"""Which CUDA a host's driver allows, and which one its cards need. Pure.

The numbers are NVIDIA's: docs.nvidia.com/deploy/cuda-compatibility ("Minor Version Compatibility",
tables 1 and 2) and the release notes of the CUDA Toolkit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gpuws.plan.model import Gpu, HostFacts

Version = tuple[int, ...]
"""(12, 4) is CUDA 12.4, (12,) any 12."""

# From 11 on, every minor version runs on a driver that was made for any of its major version.
_LEAST_OF_MAJOR = {13: "580", 12: "525.60.13", 11: "450.80.02"}
_LEAST_OF_MINOR: dict[Version, str] = {(10, 2): "440.33", (10, 1): "418.39", (10, 0): "410.48"}

# The first CUDA that knows a generation of cards; older binaries do not run on these at all.
_CARDS = (
    (re.compile(r"\b(A100|A800|A30|A40|A10G?|RTX A[2-6]000|RTX [34]0[5-9]0|L4|L40S?)\b"), (11, 0)),
    (re.compile(r"\b(H100|H200|H800|H20|GH200)\b"), (11, 8)),
    (re.compile(r"\b(B100|B200|B300|GB200|GB300|RTX 50[5-9]0|Blackwell)\b"), (12, 8)),
)

_CLAUSE = re.compile(r" *(===|[=<>!~]=|[=<>]|) *v?([0-9]+(?:\.[0-9]+)*)")


def numbers(text: str) -> Version:
    """The numbers that a version begins with, () where it begins with none."""
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def shown(cuda: Version) -> str:
    return ".".join(map(str, cuda))


def least_driver(cuda: Version) -> str:
    """The oldest driver for it, "" where NVIDIA's tables do not tell."""
    return _LEAST_OF_MAJOR.get(cuda[0], "") or _LEAST_OF_MINOR.get(cuda[:2], "")


def allows(facts: HostFacts, cuda: Version) -> bool:
    """Whether the host's driver runs it. True also where too little is known to deny it.

    What nvidia-smi says of CUDA counts beside the driver's own number: NVIDIA's package for forward
    compatibility raises the one and leaves the other.
    """
    told, least = numbers(facts.cuda), least_driver(cuda)
    if told and (told[0] >= cuda[0] if cuda[0] > 10 else told >= cuda):
        return True
    if facts.driver and least:
        return numbers(facts.driver) >= numbers(least)
    return not told


def needed_by(gpus: Iterable[Gpu]) -> tuple[Version, str]:
    """(the oldest CUDA for all of these cards, the card that needs it); () where any will do."""
    needs = [(cuda, gpu.name) for gpu in gpus for card, cuda in _CARDS if card.search(gpu.name)]
    return max(needs, default=((), ""))


# --- constraints, as conda and pip write them -----------------------------------------------------


def _clauses(constraint: str) -> list[tuple[str, Version]]:
    found = (_CLAUSE.match(part) for part in constraint.split(","))
    return [(each[1], numbers(each[2])) for each in found if each]


def lowest(constraint: str) -> Version:
    """The version that it allows at least, () where it sets no such bound."""
    if "|" in constraint:
        return min(map(lowest, constraint.split("|")))
    bounds = [number for sign, number in _clauses(constraint) if sign[:1] not in ("<", "!")]
    return max(bounds, default=())


def pins(constraint: str) -> bool:
    """Whether it names one version, or one series of them."""
    signs = {sign for sign, _ in _clauses(constraint)}
    return "|" not in constraint and bool(signs & {"", "=", "==", "==="})


def bounded(constraint: str) -> bool:
    """Whether the newest version there is may be outside it."""
    return pins(constraint) or "|" in constraint or re.search("<|~=", constraint) is not None


def begins_above(constraint: str, last: Version) -> bool:
    """Whether nothing up to ``last`` can satisfy it."""
    beyond = any(sign == ">" and number >= last for sign, number in _clauses(constraint))
    return lowest(constraint) > last or ("|" not in constraint and beyond)
