"""CUDA told straight: why a file, or a lock, would leave a host's cards unused. Pure.

Said only where it is certain, or with "may": a warning that is wrong teaches people to read none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gpuws.plan import cuda_conda, cuda_pip, drivers
from gpuws.plan.cuda_case import Asked, Case, CudaWarning
from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.model import EnvironmentSpec, HostEntry, HostFacts

__all__ = ["CudaWarning", "idle_note", "locked_warnings", "warnings"]

_TIGHT = {12: "126", 11: "118"}
_DOTTED = {12: "12.4", 11: "11.8"}
"""A version of each major one that PyTorch is built for."""


def warnings(spec: EnvironmentSpec, facts: HostFacts, entry: HostEntry) -> tuple[CudaWarning, ...]:
    """Of the file that is about to be built; () on a host without cards."""
    if not facts.gpus:
        return ()
    case = Case(spec, facts, entry)
    found = [*cuda_conda.warnings(case), *cuda_pip.warnings(case)]
    for each in _asked(case):
        found += [*_too_new(each, facts), *_too_old(each, facts)]
    found += [*_without_cuda(case), *_shadowed(case)]
    return tuple(dict.fromkeys(found))


def idle_note(spec: EnvironmentSpec, facts: HostFacts, entry: HostEntry) -> tuple[str, ...]:
    """Where CUDA is asked for and the host has no card: that it is there for nothing."""
    if facts.gpus or facts.gpu_error or "gpus" in facts.unanswered:
        return ()
    first = next(iter(_asked(Case(spec, facts, entry))), None)
    said = "asks for CUDA, and the host has no GPU"
    return (f"{first.where}: {first.written} {said}",) if first else ()


def _asked(case: Case) -> tuple[Asked, ...]:
    return (*cuda_conda.asked(case), *cuda_pip.asked(case))


# --- the driver and the cards ---------------------------------------------------------------------


def _too_new(asked: Asked, facts: HostFacts) -> Iterator[CudaWarning]:
    if drivers.allows(facts, asked.cuda):
        return
    least = drivers.least_driver(asked.cuda)
    needs = f"needs driver {least} or newer" if least else "needs a newer driver"
    verb = "is for" if asked.sure else "may bring"
    text = f"{asked.written} {verb} CUDA {drivers.shown(asked.cuda)}, which {needs}: {_has(facts)}"
    yield CudaWarning("cuda-newer-than-driver", asked.where, text, _instead(asked, facts))


def _has(facts: HostFacts) -> str:
    driver = f"driver {facts.driver}" if facts.driver else "a driver"
    return f"the host has {driver}" + (f" (CUDA {facts.cuda})" if facts.cuda else "")


def _instead(asked: Asked, facts: HostFacts) -> str:
    """How the line reads for what the driver can do."""
    major = (drivers.numbers(facts.cuda) or (0,))[0]
    if major not in _DOTTED:
        return "have the host's driver renewed"
    fits = asked.instead.format(major=major, dotted=_DOTTED[major], tight=_TIGHT[major])
    return f"write `{fits}`"


def _too_old(asked: Asked, facts: HostFacts) -> Iterator[CudaWarning]:
    need, card = drivers.needed_by(facts.gpus)
    if asked.pinned and asked.sure and asked.cuda < need[: len(asked.cuda)]:
        text = f"{asked.written} is for CUDA {drivers.shown(asked.cuda)}, which may not know {card}"
        change = f"ask for CUDA {drivers.shown(need)} or newer"
        yield CudaWarning("cuda-older-than-card", asked.where, text, change)


# --- the host -------------------------------------------------------------------------------------


def _without_cuda(case: Case) -> Iterator[CudaWarning]:
    """nvidia-smi tells no CUDA where libcuda is missing, as in a container that was given too
    little, or where it is older than that line of its answer."""
    facts = case.facts
    if not facts.driver or facts.cuda or "CONDA_OVERRIDE_CUDA" in dict(case.entry.env):
        return
    for written, spec in case.conda:
        if spec.name in cuda_conda.FRAMEWORKS:
            text = (
                f"the host's nvidia-smi names driver {facts.driver} and no CUDA version: the solve "
                f"may take a CPU build of {spec.name}"
            )
            change = 'with `CONDA_OVERRIDE_CUDA: "12.4"` below env: in hosts.yaml you name it'
            yield CudaWarning("driver-without-cuda", case.line(written), text, change)
            return


def _shadowed(case: Case) -> Iterator[CudaWarning]:
    """What LD_LIBRARY_PATH names is found before what the environment brings."""
    if not case.facts.shadowing or "LD_LIBRARY_PATH" in dict(case.entry.env):
        return
    where = (case.entry.prologue and case.entry.where) or f"LD_LIBRARY_PATH of {case.facts.node}"
    folders = ", ".join(case.facts.shadowing)
    text = f"libraries in {folders} may be loaded instead of the environment's own"
    change = 'write `LD_LIBRARY_PATH: ""` below env: in hosts.yaml'
    yield CudaWarning("shadowing-libraries", where, text, change)


# --- a lock ---------------------------------------------------------------------------------------


def locked_warnings(lock: Lock, facts: HostFacts) -> tuple[CudaWarning, ...]:
    """Of the packages that a lock names; () on a host without cards."""
    if not facts.gpus:
        return ()
    asked = [each for package in lock.packages for each in _locked_asked(lock, package)]
    newest = max(asked, key=lambda each: each.cuda, default=None)
    refused = [*_locked_refusal(lock, facts)]
    found = [*_locked_cpu(lock, facts), *refused]
    if newest:
        found += [*(() if refused else _too_new(newest, facts)), *_too_old(newest, facts)]
    again = "change the environment file and lock it again, for this host"
    return tuple(CudaWarning(each.code, each.where, each.text, again) for each in found)


def _locked_cpu(lock: Lock, facts: HostFacts) -> Iterator[CudaWarning]:
    names = {each.name for each in lock.packages}
    plugin = any(re.match("jax-cuda", name) for name in names)
    found = [
        f"{each.name} {each.version} {each.build}".strip()
        for each in lock.packages
        if _is_cpu(each) or (each.manager == "pip" and each.name == "jaxlib" and not plugin)
    ]
    if found:
        text = f"it holds CPU builds for {len(facts.gpus)} card(s): {', '.join(found)}"
        yield CudaWarning("cpu-build", lock.source, text, "")


def _is_cpu(package: LockedPackage) -> bool:
    if package.manager == "conda":
        frameworks = cuda_conda.FRAMEWORKS
        return package.name in frameworks and cuda_conda.is_cpu(package.name, package.build)
    if package.name == "tensorflow-cpu":
        return True
    return package.name in cuda_pip.TORCH and cuda_pip.kind_of(_pip_words(package)) == "cpu"


def _pip_words(package: LockedPackage) -> str:
    return f"{package.version} {package.url}"


def _locked_refusal(lock: Lock, facts: HostFacts) -> Iterator[CudaWarning]:
    """conda asks the solver only: whoever installs from a list is not asked again."""
    told = drivers.numbers(facts.cuda)
    for package in lock.packages:
        least = drivers.lowest(dict(package.depends).get("__cuda", ""))
        if told and told < least[: len(told)]:
            text = f"{package.name} {package.version} needs CUDA {drivers.shown(least)}"
            text += f" of the driver: {_has(facts)}"
            yield CudaWarning("cuda-newer-than-driver", lock.source, text, "")
            return


def _locked_asked(lock: Lock, package: LockedPackage) -> Iterator[Asked]:
    written = f"{package.name} {package.version}"
    number = drivers.numbers(package.version)[:2]
    if package.manager == "conda":
        if package.name in cuda_conda.NAMES_CUDA and number:
            yield Asked(lock.source, written, number, "")
        return
    kind = cuda_pip.kind_of(_pip_words(package))
    if package.name in cuda_pip.TORCH and kind not in ("", "cpu"):
        yield Asked(lock.source, written, cuda_pip.cuda_of(kind), "")
    if re.fullmatch("nvidia-cuda-runtime(-cu[0-9]+)?", package.name) and number:
        yield Asked(lock.source, written, number, "")
