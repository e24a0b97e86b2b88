"""Packages that break one another in one environment, as far as the lists can tell. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gpuws.plan import answers
from gpuws.plan.drift import Package, own, plain

_CLAUSE = re.compile(r"(<=?|={1,2}|~=|)\s*([0-9]+)(.*)")
_NOTHING_BELOW = re.compile(r"(\.0)*((a|b|rc|\.?dev)[0-9]*)?")
_NAMED = 3  # of many, that many are named


@dataclass(frozen=True)
class Bound:
    """The numpy that a package was made for. ``asks``: as its metadata writes it."""

    package: str  # NAME-VERSION, of conda with its build
    asks: str


@dataclass(frozen=True)
class _Rule:
    """Distributions of pip that do not go together with conda packages; both are patterns."""

    pip: str
    conda: str
    why: str


_OF_THE_OTHER = "one is imported, and the libraries that it loads may be the other's"
_CV2 = r"opencv-(contrib-)?python(-headless)?"
_RULES = (
    _Rule("torch", r"pytorch(-cpu|-gpu)?|libtorch", _OF_THE_OTHER),
    _Rule(r"tensorflow(-cpu|-gpu)?", r"tensorflow(-base)?|libtensorflow.*", _OF_THE_OTHER),
    _Rule(_CV2, r"opencv|py-opencv|libopencv", "both are the module cv2"),
    _Rule("protobuf", "protobuf", "conda's packages were built for conda's libprotobuf"),
    _Rule("jupyterlab", "jupyterlab", "the files of two versions lie in one folder"),
    _Rule("intel-openmp", r"(intel|llvm)-openmp", "two OpenMP runtimes meet in one process"),
    _Rule(
        r"nvidia-(cublas|cuda-(cupti|nvcc|nvrtc|runtime)|cudnn|cufft|cufile|curand|cusolver"
        r"|cusparse|cusparselt|nccl|nvjitlink|nvshmem|nvtx)(-cu[0-9]+)?",
        r"cudatoolkit|cuda-(cudart|cupti|libraries|nvrtc|runtime)|cudnn|nccl"
        r"|libcu(blas|fft|rand|solver|sparse)",
        "which of the two sets of CUDA libraries is loaded depends on what is imported first",
    ),
)


def bounds_from(lines: Iterable[str]) -> tuple[Bound, ...]:
    """The answers ``bound`` of changes.sh: conda|python NAME-VERSION[-BUILD] numpy…"""
    words = (line.split(" ", 2) for line in lines if answers.text(line, 300))
    return tuple(Bound(each[1], each[2]) for each in words if len(each) == 3)


def mixes(now: Sequence[Package], bounds: Sequence[Bound] = ()) -> tuple[str, ...]:
    """In words, each with why. Nothing is run, so what is not in the lists is not seen."""
    there = own(now)
    pip = [
        each for each in there.values() if each.kind == "python" and each.by not in ("conda", "?")
    ]
    conda = [each for each in there.values() if each.kind == "conda"]
    said = (*_beside(pip, conda), *_twice_cv2(pip), *_too_new_numpy(now, bounds))
    return tuple(dict.fromkeys(said))


def _beside(pip: list[Package], conda: list[Package]) -> Iterator[str]:
    for rule in _RULES:
        ours = [each for each in pip if re.fullmatch(rule.pip, plain(each.name))]
        theirs = [each for each in conda if re.fullmatch(rule.conda, plain(each.name))]
        if ours and theirs:
            yield f"{_few(ours)} of {ours[0].by} beside {_few(theirs)} of conda: {rule.why}"


def _twice_cv2(pip: list[Package]) -> Iterator[str]:
    found = [each for each in pip if re.fullmatch(_CV2, plain(each.name))]
    if len(found) > 1:
        yield f"{_few(found[:1])} beside {_few(found[1:])}: both are the module cv2"


def _few(packages: list[Package]) -> str:
    names = ", ".join(f"{each.name} {each.version}" for each in packages[:_NAMED])
    return names + (f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else "")


def _too_new_numpy(now: Sequence[Package], bounds: Sequence[Bound]) -> Iterator[str]:
    """A numpy of the second generation under packages that were built for the first."""
    found = [each for each in now if plain(each.name) == "numpy"]
    found.sort(key=lambda each: (each.kind != "python", each.by == "conda"))  # what is imported
    if not found or not found[0].version.startswith("2."):
        return
    older = [each for each in bounds if _asks_for_1(each.asks)]
    for each in older[:_NAMED]:
        yield f"numpy {found[0].version} under {each.package}, which asks for {each.asks}"
    if len(older) > _NAMED:
        yield f"numpy {found[0].version} under {len(older) - _NAMED} more that ask for an older one"


def _asks_for_1(asks: str) -> bool:
    """Whether ``numpy >=1.21,<2`` and the like leave no numpy 2. What depends on a marker, or
    offers a choice, is not judged."""
    if ";" in asks or "|" in asks:
        return False
    return any(map(_below_2, re.sub(r"^numpy|[()]", "", asks).strip().split(",")))


def _below_2(clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause.strip())
    if not found:
        return False
    operator, major, rest = found[1], int(found[2]), found[3].partition(" ")[0]
    if operator == "<" and major == 2:
        return bool(_NOTHING_BELOW.fullmatch(rest))
    return major < 2
