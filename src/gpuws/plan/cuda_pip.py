"""What pip's part of a file asks for, against the host's cards and driver. Pure.

Lines with a marker are left alone: they may be meant for another machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpuws.plan.cuda_case import Asked, Case, CudaWarning
from gpuws.plan.drivers import Version, begins_above, bounded, lowest, numbers

TORCH = frozenset({"torch", "torchvision", "torchaudio"})
_WITH_CUDA = re.compile(r"cuda|gpu")
_FIRST_TORCH_OF_CUDA_12 = (2, 1)
_LAST_TENSORFLOW_GPU = (2, 11)  # 2.12 of that name is a message that it is gone

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*(.*)")
_WHEEL = re.compile(r"https?://\S*/([A-Za-z0-9._]+)-\S*")
_OPTION = re.compile(r"(?:^|\s)(-i|--index-url|--extra-index-url|-f|--find-links)[ =]*(\S+)")
_OF_TORCH = re.compile(r"/whl/(?:nightly/|test/)?(cpu|cu[0-9]{2,3})(?:/|$)")
_LOCAL = re.compile(r"(?:\+|%2B)(cpu|cu[0-9]{2,3})\b", re.IGNORECASE)
_BY_NAME = (
    (re.compile("cupy-cuda([0-9]{2})x"), "cupy-cuda{major}x"),
    (re.compile("nvidia-[a-z-]+-cu([0-9]{2})"), "the package for cu{major}"),
    (re.compile("jax-cuda([0-9]{2})-(?:plugin|pjrt)"), "jax[cuda{major}]"),
)


@dataclass(frozen=True)
class _Line:
    """A requirement. ``rest``: its version or address, with what follows."""

    shown: str  # as written; an address may hold a password, and is left out
    where: str
    name: str
    extras: str
    rest: str


@dataclass(frozen=True)
class _Index:
    """Where wheels are looked for. ``kind``: cpu, or as in cu121; ``only``: nowhere else."""

    shown: str
    where: str
    kind: str
    only: bool


def warnings(case: Case) -> Iterator[CudaWarning]:
    lines = _lines(case)
    yield from _cpu_lines(case, lines)
    yield from _cpu_index(case, lines)
    yield from _jax(case, lines)
    yield from _old_driver(case, lines)
    for line in lines:
        if line.name == "tensorflow-gpu" and _is_gone(line):
            text = f"{line.shown}: PyPI's tensorflow-gpu ended with 2.11 and cannot be installed"
            yield CudaWarning("ended-package", line.where, text, "write `tensorflow[and-cuda]`")
        if line.name == "torch" and "pytorch" in case.names:
            text = f"{line.shown}: pip may put it over the pytorch of conda"
            yield CudaWarning("two-pytorches", line.where, text, "keep one of the two lines")


def asked(case: Case) -> Iterator[Asked]:
    """Every CUDA that an index, a wheel or a package is named after."""
    lines = _lines(case)
    for each in _indexes(case) if _of_torch(lines) else ():
        if each.kind != "cpu":
            cuda = cuda_of(each.kind)
            yield Asked(each.where, each.shown, cuda, "/whl/cu{tight}", sure=each.only)
    for line in lines:
        for cuda, instead in _named(line):
            yield Asked(line.where, line.shown, cuda, instead)


def _named(line: _Line) -> Iterator[tuple[Version, str]]:
    """(a CUDA that it names, how it reads for another one)."""
    kind = kind_of(line.rest)
    if kind not in ("", "cpu"):
        yield cuda_of(kind), line.name + "…+cu{tight}"
    extra = re.search("cuda([0-9]{2})", line.extras)
    if extra and line.name == "jax":
        yield numbers(extra[1]), "jax[cuda{major}]"
    for form, instead in _BY_NAME:
        if named := form.fullmatch(line.name):
            yield numbers(named[1]), instead


def kind_of(text: str) -> str:
    """What a version or a wheel's address is built for: cpu, cu121, or "" where it is silent."""
    found = _LOCAL.search(text) or _OF_TORCH.search(text)
    return found[1].lower() if found else ""


def cuda_of(kind: str) -> Version:
    """cu121 is 12.1, cu92 is 9.2."""
    return int(kind[2:-1]), int(kind[-1])


# --- CPU builds -----------------------------------------------------------------------------------


def _cpu_lines(case: Case, lines: tuple[_Line, ...]) -> Iterator[CudaWarning]:
    for line in lines:
        change = ""
        if line.name == "tensorflow-cpu":
            change = "write `tensorflow[and-cuda]`"
        elif kind_of(line.rest) == "cpu":
            change = "leave +cpu out" if "+cpu" in line.rest else "name the wheel for CUDA"
        if change:
            text = f"{line.shown} is a CPU build, {case.cards}"
            yield CudaWarning("cpu-build", line.where, text, change)


def _cpu_index(case: Case, lines: tuple[_Line, ...]) -> Iterator[CudaWarning]:
    """Beside an index for CUDA it does not count: of equal versions +cu121 is the higher one."""
    found = _indexes(case)
    if not _of_torch(lines) or any(each.kind != "cpu" for each in found):
        return
    if any(_LOCAL.search(line.rest) for line in _of_torch(lines)):
        return  # told of that line
    for each in found:
        how = "and nothing else" if each.only else "which pip may prefer to PyPI's"
        text = f"{each.shown} has CPU builds of torch, {how}, {case.cards}"
        yield CudaWarning("cpu-build", each.where, text, "leave it out: PyPI's torch has CUDA")


def _jax(case: Case, lines: tuple[_Line, ...]) -> Iterator[CudaWarning]:
    """jax and jaxlib of PyPI know no card without a plugin, whoever brings it."""
    ours = [line for line in lines if line.name in ("jax", "jaxlib")]
    plain = [line for line in ours if not line.extras and "@" not in line.rest]
    brought = any(_WITH_CUDA.search(f"{line.name}[{line.extras}]{line.rest}") for line in lines)
    elsewhere = _indexes_named(case) or case.names & {"jaxlib", "jax"}
    if plain and not brought and not elsewhere:
        text = f"{plain[0].shown} from PyPI is a CPU build, {case.cards}"
        change = "write `jax[cuda12]`" + (" beside it" if plain[0].name == "jaxlib" else "")
        yield CudaWarning("cpu-build", plain[0].where, text, change)


# --- drivers --------------------------------------------------------------------------------------


def _old_driver(case: Case, lines: tuple[_Line, ...]) -> Iterator[CudaWarning]:
    """PyPI has one torch of each version; from 2.1 on it is built for CUDA 12 or newer."""
    told = numbers(case.facts.cuda)
    if not told or told[0] >= 12 or _indexes_named(case):
        return
    for line in lines:
        if line.name != "torch" or re.search(r"[@+]", line.rest):
            continue
        newest = not bounded(line.rest)
        if newest or lowest(line.rest) >= _FIRST_TORCH_OF_CUDA_12:
            text = (
                f"{line.shown} from PyPI is built for CUDA 12 or newer, and the host's driver "
                f"allows CUDA {case.facts.cuda}"
            )
            change = "add `--extra-index-url https://download.pytorch.org/whl/cu118`"
            yield CudaWarning("cuda-newer-than-driver", line.where, text, change)


def _is_gone(line: _Line) -> bool:
    return not bounded(line.rest) or begins_above(line.rest, _LAST_TENSORFLOW_GPU)


# --- lines ----------------------------------------------------------------------------------------


def _lines(case: Case) -> tuple[_Line, ...]:
    """The requirements without a marker, those of files that ``-r`` names as well."""
    found = (_line(text, where) for text, where in _texts(case))
    return tuple(each for each in found if each)


def _line(text: str, where: str) -> _Line | None:
    bare = re.split(r"\s#|\s--", text)[0].strip()
    wheel, parts = _WHEEL.fullmatch(bare), _REQUIREMENT.fullmatch(bare)
    if ";" in text or not (wheel or parts):
        return None
    name, extras, rest = (wheel[1], "", bare) if wheel else parts.groups("")  # type: ignore[union-attr]
    plain = re.sub(r"[._-]+", "-", name).lower()
    return _Line(plain if "://" in bare else bare, where, plain, extras.lower(), rest)


def _texts(case: Case) -> Iterator[tuple[str, str]]:
    """(line, where it stands), without constraints: those ask for nothing."""
    for line in case.spec.pip:
        yield line, case.spec.at("pip", line)
    for name, text in case.spec.pip_files:
        if _is_constraint(case, name):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield line.strip(), f"{name}:{number}"


def _is_constraint(case: Case, name: str) -> bool:
    every = (*case.spec.pip, *(text for _, text in case.spec.pip_files))
    last = re.escape(name.rsplit("/", 1)[-1])
    said = re.compile(rf"^\s*(-c|--constraint)[ =]*\S*{last}", re.MULTILINE)
    return any(said.search(text) for text in every)


def _of_torch(lines: tuple[_Line, ...]) -> tuple[_Line, ...]:
    return tuple(line for line in lines if line.name in TORCH)


def _indexes_named(case: Case) -> tuple[tuple[str, str, str], ...]:
    """(option, address, where) of every place that is named beside PyPI, or instead of it."""
    found = [
        (option[1], option[2], where)
        for text, where in _texts(case)
        if text.startswith("-")
        for option in _OPTION.finditer(text)
    ]
    ours = case.entry.pip_index
    return (*found, *((("-i", ours, case.entry.where or "hosts.yaml"),) if ours else ()))


def _indexes(case: Case) -> tuple[_Index, ...]:
    """Those of PyTorch's own, which are for one CUDA each."""
    return tuple(
        _Index(f"{option} …{kind[0].rstrip('/')}", where, kind[1], option in ("-i", "--index-url"))
        for option, address, where in _indexes_named(case)
        if (kind := _OF_TORCH.search(address))
    )
