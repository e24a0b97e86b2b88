"""The packages that a lock names, against a host: they are fixed, so the verdicts are certain."""

from __future__ import annotations

import pytest

from gpuws.plan.cuda import locked_warnings
from gpuws.plan.lock import Lock, LockedPackage

from .test_cuda import A100, H100, NEW, OLD, WITHOUT

SIMPLE = "https://files.example.org/simple/"


def conda(name: str, version: str, build: str = "", **depends: str) -> LockedPackage:
    url = f"https://conda.example.org/linux-64/{name}-{version}-{build}.conda"
    wanted = tuple((f"__{each}", constraint) for each, constraint in depends.items())
    return LockedPackage("conda", name, version, url, build=build, depends=wanted)


def pip(name: str, version: str, url: str = SIMPLE) -> LockedPackage:
    return LockedPackage("pip", name, version, url)


def lock(*packages: LockedPackage) -> Lock:
    return Lock("conda-lock.yml", "linux-64", packages)


GPU = conda("pytorch", "2.5.1", "cuda126_mkl_py311h1_301", cuda="")


@pytest.mark.parametrize(
    ("packages", "facts", "code", "named"),
    [
        ((conda("pytorch", "2.5.1", "cpu_mkl_py311h1_100"),), A100, "cpu-build", "pytorch 2.5.1"),
        ((conda("jaxlib", "0.4.31", "cpu_py311h1_0"),), A100, "cpu-build", "jaxlib"),
        ((pip("torch", "2.4.0+cpu"),), A100, "cpu-build", "torch 2.4.0+cpu"),
        ((pip("tensorflow-cpu", "2.16.1"),), A100, "cpu-build", "tensorflow-cpu"),
        ((pip("jax", "0.4.31"), pip("jaxlib", "0.4.31")), A100, "cpu-build", "jaxlib 0.4.31"),
        ((conda("cuda-version", "13.0"),), A100, "cuda-newer-than-driver", "driver 580"),
        ((conda("x", "1", "0", cuda=">=12.4"),), A100, "cuda-newer-than-driver", "x 1"),
        ((conda("cuda-version", "13.0", cuda=">=13"),), A100, "cuda-newer-than-driver", "needs"),
        ((pip("torch", "2.4.0+cu121"),), OLD, "cuda-newer-than-driver", "12.1"),
        ((pip("nvidia-cuda-runtime-cu12", "12.4.127"),), OLD, "cuda-newer-than-driver", "525"),
        ((pip("nvidia-cuda-runtime", "13.0.48"),), A100, "cuda-newer-than-driver", "13.0"),
        ((conda("cudatoolkit", "11.3.1"),), H100, "cuda-older-than-card", "H100"),
    ],
)
def test_a_locked_package_that_leaves_the_cards_unused_is_told(
    packages: tuple[LockedPackage, ...], facts: object, code: str, named: str
) -> None:
    [said] = locked_warnings(lock(*packages), facts)  # type: ignore[arg-type]
    assert (said.code, said.where) == (code, "conda-lock.yml")
    assert named in said.text
    assert "lock it again" in said.change


@pytest.mark.parametrize(
    "packages",
    [
        (GPU, conda("cuda-version", "12.6", cuda=">=12"), conda("numpy", "2.1", "py311h1_0")),
        (conda("cuda-version", "12.9", "x", cuda=">=12"), conda("libtorch", "2.5", "cuda129_mkl")),
        (pip("jaxlib", "0.4.31"), pip("jax-cuda12-plugin", "0.4.31")),
        (pip("torch", "2.5.1"), pip("nvidia-cuda-runtime-cu12", "12.4.127")),
        (conda("x", "1", "0", cuda=">=12.2.0"), conda("y", "1", "0", cuda="")),
        (conda("cpuonly-tools", "1"), conda("faiss", "1.9", "py311_cpu_0")),
        (),
    ],
)
def test_a_lock_that_uses_the_cards_is_not_mentioned(packages: tuple[LockedPackage, ...]) -> None:
    assert locked_warnings(lock(*packages), A100) == ()


def test_a_lock_is_not_judged_on_a_host_without_cards() -> None:
    assert locked_warnings(lock(pip("torch", "2.4.0+cpu")), WITHOUT) == ()


def test_the_newest_cuda_of_a_lock_is_told_once() -> None:
    packages = (conda("cudatoolkit", "11.8"), conda("cuda-version", "12.1"), conda("x", "1"))
    [said] = locked_warnings(lock(*packages), OLD)
    assert "cuda-version 12.1" in said.text
    assert [each.code for each in locked_warnings(lock(*packages), NEW)] == ["cuda-older-than-card"]
