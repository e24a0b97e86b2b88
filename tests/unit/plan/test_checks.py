"""Modules that a new environment is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.plan.checks import modules, sees_cards
from gpuws.plan.gpus import choose_gpus
from gpuws.plan.model import EnvironmentSpec, Gpu
from tests.unit.plan.test_decide import FACTS


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


CARD = Gpu(0, "GPU-8a1c5f52-6f0e-4b9a-9c0d-3f8e2a7b1c4d", "Tesla T4", 15_360, 0, 0)


@pytest.mark.parametrize(
    ("conda", "pip", "declared", "gpus", "asked"),
    [
        (("pytorch",), (), (), None, True),
        (("six",), (), ("six",), "1", True),  # it may come along with something
        (("pytorch",), (), ("none",), None, False),
        (("pytorch",), (), (), "none", False),
        (("pytorch=2.4=cpu*",), (), (), None, False),
        (("pytorch", "cpuonly"), (), (), None, False),
        ((), ("torch==2.5.1+cpu",), (), None, False),
        ((), ("--index-url https://download.pytorch.org/whl/cpu", "torch"), (), None, False),
        ((), ("--index-url https://download.pytorch.org/whl/cu121", "torch"), (), None, True),
    ],
)
def test_when_torch_must_see_the_cards(
    conda: tuple[str, ...],
    pip: tuple[str, ...],
    declared: tuple[str, ...],
    gpus: str | None,
    asked: bool,
) -> None:
    spec = EnvironmentSpec("e.yml", "conda", conda=conda, pip=pip)
    facts = replace(FACTS, gpus=(CARD,))
    assert sees_cards(spec, declared, facts, choose_gpus(gpus, facts.gpus, "me")) is asked
    none = replace(FACTS, gpus=())
    assert not sees_cards(spec, declared, none, choose_gpus(None, (), "me"))
