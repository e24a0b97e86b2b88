"""What conda's part of a file asks for, against the host's cards and driver. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gpuws.plan.conda_spec import CondaSpec
from gpuws.plan.cuda_case import Asked, Case, CudaWarning
from gpuws.plan.drivers import Version, begins_above, bounded, lowest, numbers, pins, shown

_PYTORCH = frozenset({"pytorch", "libtorch", "torchvision", "torchaudio"})
FRAMEWORKS = _PYTORCH | {"tensorflow", "tensorflow-base", "jaxlib"}
_CHOSEN = frozenset({"pytorch", "tensorflow"})  # whose CPU and CUDA builds share one name

_OTHER_NAME = {
    "pytorch-cpu": "pytorch-gpu",
    "tensorflow-cpu": "tensorflow-gpu",
    "tensorflow-mkl": "tensorflow-gpu",
    "tensorflow-eigen": "tensorflow-gpu",
}
_CHOOSE_CUDA = frozenset({"pytorch-cuda", "cuda-version", "cudatoolkit"})
_CHOOSE = _CHOOSE_CUDA | {"cpuonly", "pytorch-gpu", "tensorflow-gpu", *_OTHER_NAME}
"""Packages that say by their presence which builds are wanted."""

NAMES_CUDA = {
    "cudatoolkit": "cudatoolkit={dotted}",
    "pytorch-cuda": "pytorch-cuda={dotted}",
    "cuda-version": "cuda-version={major}.*",
    "cuda-toolkit": "cuda-toolkit={major}.*",
    "cuda-runtime": "cuda-runtime={major}.*",
    "cuda-cudart": "cuda-cudart={major}.*",
    "cuda": "cuda={major}.*",
}
"""Packages whose version is a CUDA's, and how to ask for another one."""

# github.com/pytorch/pytorch/issues/138506: 2.5 is the last release in the channel pytorch.
_LAST_OF_PYTORCH = {
    "pytorch": (2, 5, 1),
    "torchvision": (0, 20, 1),
    "torchaudio": (2, 5, 1),
    "pytorch-cuda": (12, 4),
}
_LAST_CUDATOOLKIT = (11, 8)
_FIRST_WITH_PYTORCH_CUDA = (1, 13)

_KNOWN = frozenset({"conda-forge", "defaults", "pytorch", "nvidia", "bioconda", "nodefaults"})
"""Channels of which it is known what they have and what they lack."""


def warnings(case: Case) -> Iterator[CudaWarning]:
    for written, spec in case.conda:
        yield from _cpu_build(case, written, spec)
        yield from _ended(case, written, spec)
        yield from _old_driver(case, written, spec)
        yield from _from_defaults(case, written, spec)
    yield from _channels(case)


def asked(case: Case) -> Iterator[Asked]:
    """Every CUDA that a line names, by version, build or label of a channel."""
    for written, spec in case.conda:
        yield from _by_version(case, written, spec)
        cuda = _in_build(spec)
        if cuda and spec.name in FRAMEWORKS:
            yield Asked(case.line(written), written, cuda, spec.name + "=*=*cuda{major}*")


def _by_version(case: Case, written: str, spec: CondaSpec) -> Iterator[Asked]:
    label = re.search(r"/label/cuda-([0-9]+(?:\.[0-9]+)*)", spec.channel)
    cuda = lowest(spec.version) or (numbers(label[1]) if label else ())
    if spec.name in NAMES_CUDA and cuda and not _is_over(spec):
        pinned = pins(spec.version) or bool(label)
        yield Asked(case.line(written), written, cuda, NAMES_CUDA[spec.name], pinned)


def _in_build(spec: CondaSpec) -> Version:
    """cuda126 is 12.6, cuda12 any 12; older builds spell it out: cuda12.1. () for none of these."""
    found = re.search(r"cuda_?([1-9][0-9])(?:\.?([0-9]))?", spec.build)
    if not found or _is_expression(spec.build):
        return ()
    return numbers(f"{found[1]}.{found[2]}" if found[2] else found[1])


# --- builds ---------------------------------------------------------------------------------------


def _cpu_build(case: Case, written: str, spec: CondaSpec) -> Iterator[CudaWarning]:
    change = ""
    if spec.name == "cpuonly":
        change = "remove the line"
    elif spec.name in _OTHER_NAME:
        change = f"write `{_OTHER_NAME[spec.name]}`"
    elif spec.name in FRAMEWORKS and is_cpu(spec.name, spec.build):
        change = f"write `{_with_cuda(spec)}`"
    if change:
        text = f"{written} asks for a CPU build, {case.cards}"
        yield CudaWarning("cpu-build", case.line(written), text, change)


def is_cpu(name: str, build: str) -> bool:
    """By the words of a build."""
    if _is_expression(build):
        return False
    without = re.match("(mkl|eigen)[_*]", build) and name.startswith("tensorflow")
    return "cpu" in build or bool(without)


def _is_expression(build: str) -> bool:
    """A regular expression may as well exclude what it names."""
    return build.startswith("^")


def _with_cuda(spec: CondaSpec) -> str:
    plain = spec.version if re.fullmatch(r"=?[0-9.*]+", spec.version) else ""
    version = f"={plain.lstrip('=')}" if plain else "=*"
    return f"{spec.channel}{spec.name}{version}=*cuda*"


def _is_open(case: Case, spec: CondaSpec) -> bool:
    """Whether the solver is free to take a build for CUDA or one without."""
    return spec.name in _CHOSEN and not spec.build and not case.names & _CHOOSE


def _old_driver(case: Case, written: str, spec: CondaSpec) -> Iterator[CudaWarning]:
    """A free solver takes the newest version, without CUDA rather than an older one with it."""
    told = numbers(case.facts.cuda)
    if not told or told[0] >= 12 or bounded(spec.version) or not _is_open(case, spec):
        return
    if _origin(case, spec) == "conda-forge":
        text = (
            f"the host's driver allows CUDA {case.facts.cuda}, and new builds of {spec.name} are "
            "for CUDA 12 and newer: the solve may take a CPU build"
        )
        change = f"`{_with_cuda(spec)}` takes the newest build for CUDA, or none"
        yield CudaWarning("cpu-build", case.line(written), text, change)


def _from_defaults(case: Case, written: str, spec: CondaSpec) -> Iterator[CudaWarning]:
    if _is_open(case, spec) and _origin(case, spec) == "defaults":
        text = f"{written} may become a CPU build: the channel defaults has both, {case.cards}"
        change = f"write `{spec.name}-gpu`"
        yield CudaWarning("cpu-build", case.line(written), text, change)


# --- what has come to its end ---------------------------------------------------------------------


def _is_over(spec: CondaSpec) -> bool:
    return spec.name == "cudatoolkit" and begins_above(spec.version, _LAST_CUDATOOLKIT)


def _ended(case: Case, written: str, spec: CondaSpec) -> Iterator[CudaWarning]:
    where, wanted = case.line(written), shown(lowest(spec.version)[:2])
    if _is_over(spec):
        text = f"{written}: cudatoolkit ended with {shown(_LAST_CUDATOOLKIT)}"
        yield CudaWarning("ended-package", where, text, f"write `cuda-version={wanted}`")
    last = _LAST_OF_PYTORCH.get(spec.name, ())
    if last and begins_above(spec.version, last) and _only_in_pytorch(case, spec):
        text = f"{written}: the channel pytorch ended with {spec.name} {shown(last)}"
        change = f"write `conda-forge::{spec.name}{spec.version}`"
        if spec.name == "pytorch-cuda":
            change = f"write `cuda-version={wanted}`, and take pytorch from conda-forge"
        yield CudaWarning("frozen-channel", where, text, change)


def _only_in_pytorch(case: Case, spec: CondaSpec) -> bool:
    """Whether no other channel of the file has it."""
    if spec.channel:
        return _channel(spec.channel) == "pytorch"
    known = _known_channels(case)
    if spec.name == "pytorch-cuda":
        return bool(known)
    return "pytorch" in known and set(known) <= {"pytorch", "nvidia", "nodefaults"}


# --- channels -------------------------------------------------------------------------------------


def _channels(case: Case) -> Iterator[CudaWarning]:
    """``nvidia`` has the libraries that builds of the channel ``pytorch`` need."""
    known = _known_channels(case)
    needing = next((each for each in case.conda if each[1].name == "pytorch-cuda"), None)
    if not known:
        return
    if needing and "pytorch" not in known:
        text = f"{needing[0]} is in the channel pytorch alone, which is not named"
        yield _missing(case, needing[0], "pytorch", text)
    needing = needing or _plain_of_pytorch(case)
    if needing and "nvidia" not in known:
        text = (
            f"{needing[0]} needs CUDA libraries of the channel nvidia, which is not named: the "
            "solve may fail or take a CPU build"
        )
        yield _missing(case, needing[0], "nvidia", text)


def _missing(case: Case, written: str, channel: str, text: str) -> CudaWarning:
    ours = bool(case.entry.channels)
    where = (case.entry.where or "hosts.yaml") if ours else case.line(written)
    change = f"add `{channel}` to channels:" + (" of hosts.yaml" if ours else "")
    return CudaWarning(f"no-{channel}-channel", where, text, change)


def _plain_of_pytorch(case: Case) -> tuple[str, CondaSpec] | None:
    """The line that takes pytorch from its own channel, with whatever build the solver likes."""
    for written, spec in case.conda:
        pinned, version = pins(spec.version), lowest(spec.version)
        old = "<" in spec.version or (pinned and version < _FIRST_WITH_PYTORCH_CUDA)
        if _is_open(case, spec) and not old and _origin(case, spec) == "pytorch":
            return written, spec
    return None


def _channel(text: str) -> str:
    """The name that everybody knows it by, "" for one that may hold anything."""
    parts = re.split("[/:]+", text.replace("pkgs/main", "defaults"))
    return next((part for part in parts if part in _KNOWN), "")


def _known_channels(case: Case) -> tuple[str, ...]:
    """In their order, with those that packages name themselves; () where one may hold anything, as
    a mirror does, or where conda's own settings choose."""
    listed = case.entry.channels or case.spec.channels
    named = [_channel(each) for each in listed]
    own = [_channel(spec.channel) for _, spec in case.conda if spec.channel]
    return tuple(named + own) if named and all(named) else ()


def _origin(case: Case, spec: CondaSpec) -> str:
    """The channel that a framework comes from, "" where that is not certain."""
    if spec.channel:
        return _channel(spec.channel)
    has = ("conda-forge", "defaults", *(("pytorch",) if spec.name in _PYTORCH else ()))
    return next((each for each in _known_channels(case) if each in has), "")
