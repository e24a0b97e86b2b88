"""Packages that conda and PyPI call differently. Pure."""

from __future__ import annotations

from packaging.utils import canonicalize_name

_OTHERS = {
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "torchvision-cpu": "torchvision",
    "tensorflow-base": "tensorflow",
    "matplotlib-base": "matplotlib",
    "dask-core": "dask",
    "ray-core": "ray",
    "msgpack-python": "msgpack",
    "pytables": "tables",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "python-graphviz": "graphviz",
    "python-tzdata": "tzdata",
    "python-flatbuffers": "flatbuffers",
    "pyqt": "pyqt5",
    "seaborn-base": "seaborn",
    "pillow-simd": "pillow",
    "brotli-python": "brotli",
    "ninja-base": "ninja",
    "sqlalchemy-base": "sqlalchemy",
}
"""conda's name → PyPI's, where they differ by more than spelling. Collected from conda-forge's
recipes; a name that is missing costs a second copy of that package, which pip then installs."""


def on_pypi(conda_name: str) -> str:
    """What PyPI calls the distribution that a conda package of Python code holds."""
    name = conda_name.lower()
    return canonicalize_name(_OTHERS.get(name, name))
