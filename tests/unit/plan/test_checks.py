"""Modules that a new environment is asked for."""

from __future__ import annotations

import pytest

from gpuws.plan.checks import modules
from gpuws.plan.model import EnvironmentSpec


@pytest.mark.parametrize(
    ("conda", "pip", "declared", "found"),
    [
        (("conda-forge::pytorch=2.*=*cuda*", "zlib"), (), (), ("torch",)),
        (("python=3.11",), ("scikit-learn>=1", "Torch==2"), (), ("sklearn", "torch")),
        (("numpy",), (), ("mine", "numpy.linalg"), ("mine", "numpy.linalg", "numpy")),
        (("numpy", "pytorch-gpu"), ("torch",), (), ("numpy", "torch")),
        ((), ("numpy; python_version < '3.8'",), (), ()),
        (("opencv", "numpy-base"), ("cupy",), (), ()),
        (("numpy",), (), ("none",), ()),
    ],
)
def test_what_is_declared_and_what_the_rule_adds(
    conda: tuple[str, ...], pip: tuple[str, ...], declared: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert modules(EnvironmentSpec("e.yml", "conda", conda=conda, pip=pip), declared) == found
