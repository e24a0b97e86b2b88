"""Versions of CUDA, drivers and cards, compared as NVIDIA's tables have it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.plan.drivers import (
    allows,
    begins_above,
    bounded,
    least_driver,
    lowest,
    needed_by,
    pins,
)
from gpuws.plan.model import Gpu

from .test_decide import FACTS


@pytest.mark.parametrize(
    ("driver", "told", "cuda", "can"),
    [
        ("535.129.03", "12.2", (12, 8), True),  # any minor version of the same major one
        ("535.129.03", "12.2", (11, 8), True),
        ("535.129.03", "12.2", (13, 0), False),
        ("470.57.02", "11.4", (12, 1), False),
        ("470.57.02", "11.4", (11, 8), True),
        ("580.65.06", "13.0", (12, 9), True),
        ("470.57.02", "12.2", (12, 1), True),  # with NVIDIA's package for forward compatibility
        ("450.80.02", "", (11, 8), True),
        ("450.36.06", "", (11, 8), False),
        ("525.60.13", "", (12,), True),
        ("525.60", "", (12,), False),
        ("440.33.01", "10.2", (10, 2), True),
        ("418.39", "10.1", (10, 2), False),
        ("390.46", "", (10, 0), False),
        ("", "12.2", (13,), False),
        ("", "", (13,), True),  # nothing is known
        ("580.65.06", "13.0", (14,), False),
        ("580.65.06", "", (14,), True),
    ],
)
def test_a_driver_allows_what_nvidia_says(
    driver: str, told: str, cuda: tuple[int, ...], can: bool
) -> None:
    assert allows(replace(FACTS, driver=driver, cuda=told), cuda) is can


def test_the_least_driver_is_that_of_the_table() -> None:
    assert [least_driver(cuda) for cuda in ((13, 1), (12,), (11, 3), (10, 2), (7, 5), (14,))] == [
        "580",
        "525.60.13",
        "450.80.02",
        "440.33",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("names", "need"),
    [
        (("NVIDIA A100-SXM4-80GB", "Tesla V100"), (11, 0)),
        (("NVIDIA GeForce RTX 3090",), (11, 0)),
        (("NVIDIA L40S",), (11, 0)),
        (("NVIDIA H100 80GB HBM3",), (11, 8)),
        (("NVIDIA H100 PCIe", "NVIDIA GeForce RTX 5090"), (12, 8)),
        (("NVIDIA RTX PRO 6000 Blackwell Workstation Edition",), (12, 8)),
        (("Quadro RTX 5000", "NVIDIA RTX 5000 Ada Generation", "Quadro RTX 4000"), ()),
        (("NVIDIA GeForce RTX 2080 Ti", "Tesla T4", "Tesla V100-SXM2-32GB"), ()),
    ],
)
def test_new_cards_need_a_new_cuda(names: tuple[str, ...], need: tuple[int, ...]) -> None:
    cards = [Gpu(i, f"GPU-{i}", name, 1, 0, 0) for i, name in enumerate(names)]
    assert needed_by(cards)[0] == need


@pytest.mark.parametrize(
    ("constraint", "least", "pinned", "has_bound"),
    [
        ("", (), False, False),
        ("=12.1", (12, 1), True, True),
        ("12.1.*", (12, 1), True, True),
        ("==2.4.1", (2, 4, 1), True, True),
        (">=12,<13", (12,), False, True),
        (">=12.4", (12, 4), False, False),
        (">12", (12,), False, False),
        ("<13", (), False, True),
        ("!=12.3", (), False, False),
        ("~=2.1", (2, 1), False, True),
        ("11.8|12.1", (11, 8), False, True),
        ("11.8|<11", (), False, True),
        ("*", (), False, False),
        (">= 2.1, < 3", (2, 1), False, True),
    ],
)
def test_a_constraint_has_a_least_version(
    constraint: str, least: tuple[int, ...], pinned: bool, has_bound: bool
) -> None:
    assert (lowest(constraint), pins(constraint), bounded(constraint)) == (least, pinned, has_bound)


@pytest.mark.parametrize(
    ("constraint", "above"),
    [
        ("=2.5", False),
        ("==2.5.1", False),
        (">=2.5", False),
        (">2.5", False),
        (">2.5.1", True),
        ("=2.6", True),
        (">=2.6,<3", True),
        ("<3", False),
        ("", False),
        ("2.4|2.6", False),
        ("2.6|2.7", True),
    ],
)
def test_what_begins_above_the_last_release_is_seen(constraint: str, above: bool) -> None:
    assert begins_above(constraint, (2, 5, 1)) is above
