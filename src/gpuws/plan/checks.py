"""Which modules a new environment must be able to import before anybody is given it. Pure."""

from __future__ import annotations

from gpuws.plan.model import EnvironmentSpec
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
