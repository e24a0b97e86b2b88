"""What a new environment must be able to import, and whether it must see cards, before anybody is
given it. Pure."""

from __future__ import annotations

from gpuws.plan import cuda_conda, cuda_pip
from gpuws.plan.conda_spec import parsed
from gpuws.plan.declared import pip_lines
from gpuws.plan.gpus import GpuChoice
from gpuws.plan.model import EnvironmentSpec, HostFacts
from gpuws.plan.naming import package_name

NOTHING = "none"
"""What `check:` says where nothing is to be imported."""

MODULES = {
    "jax": "jax",
    "matplotlib": "matplotlib",
    "matplotlib-base": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "pytorch": "torch",
    "pytorch-gpu": "torch",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "tensorflow": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""Packages that are of no use where their module cannot be imported, and whose import has no other
effect. Those that need a display or a driver of their own (cv2, cupy) are left to `check:`."""


def modules(spec: EnvironmentSpec, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `check:`, and by rule those of well-known packages that the file asks for. A
    requirement with a marker may not be for this host."""
    if declared == (NOTHING,):
        return ()
    asked = (*spec.conda, *(line for line in spec.pip if ";" not in line))
    found = (MODULES.get(package_name(each), "") for each in asked)
    return tuple(dict.fromkeys((*declared, *filter(None, found))))


def sees_cards(
    spec: EnvironmentSpec, declared: tuple[str, ...], facts: HostFacts, gpus: GpuChoice
) -> bool:
    """Whether torch, where it is in the environment, must see the host's cards. Not where none is
    there or wanted, or the file itself asks for a build without CUDA: that one is warned of."""
    if not facts.gpus or gpus.visible == "" or declared == (NOTHING,):
        return False
    return not _asks_for_cpu(spec)


def _asks_for_cpu(spec: EnvironmentSpec) -> bool:
    through_conda = any(
        each.name in ("cpuonly", "pytorch-cpu")
        or (each.name == "pytorch" and cuda_conda.is_cpu(each.name, each.build))
        for each in map(parsed, spec.conda)
        if each
    )
    return through_conda or any(cuda_pip.kind_of(line) == "cpu" for line in pip_lines(spec))
