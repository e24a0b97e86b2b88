"""Packages that are known to break one another, told from the lists of a host."""

from __future__ import annotations

import pytest

from gpuws.plan.drift import packages_from
from gpuws.plan.mixes import bounds_from, mixes

CONDA = (
    "conda python-3.11.9-h2_cpython",
    "conda protobuf-4.25.3-py311_0",
    "python protobuf-4.25.3 conda",
    "conda jupyterlab-4.2.0-pyh_0",
    "python jupyterlab-4.2.0 conda",
    "conda numpy-1.26.4-py311_0",
    "python numpy-1.26.4 conda",
)


def told(*lines: str, bounds: tuple[str, ...] = ()) -> tuple[str, ...]:
    return mixes(packages_from([*CONDA, *lines]), bounds_from(bounds))


def test_what_conda_alone_or_pip_alone_brought_is_no_mix() -> None:
    assert told("conda pytorch-2.4.0-cuda124_0", "python torch-2.4.0 conda") == ()
    assert told("python torch-2.4.0+cu124 pip", "python nvidia-cudnn-cu12-9.1.0.70 pip") == ()
    assert told("conda cudnn-9.1.0-h0", "python nvidia_ml_py-12.5 pip") == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["conda pytorch-2.4.0-cuda124_0", "python torch-2.5.1 pip"],
            "torch 2.5.1 of pip beside pytorch 2.4.0 of conda: ",
        ),
        (
            ["conda libtorch-2.4.0-cuda124_0", "python torch-2.4.0+cu124 uv"],
            "torch 2.4.0+cu124 of uv beside libtorch 2.4.0 of conda: ",
        ),
        (
            ["conda tensorflow-base-2.16.1-h0", "python tensorflow-2.17.0 pip"],
            "tensorflow 2.17.0 of pip beside tensorflow-base 2.16.1 of conda: ",
        ),
        (
            ["python opencv_python-4.10.0.84 pip", "conda py-opencv-4.9.0-py311_0"],
            "opencv_python 4.10.0.84 of pip beside py-opencv 4.9.0 of conda: both are",
        ),
        (["python protobuf-5.27.0 pip"], "protobuf 5.27.0 of pip beside protobuf 4.25.3 of conda"),
        (["python jupyterlab-4.3.0 pip"], "jupyterlab 4.3.0 of pip beside jupyterlab 4.2.0 of con"),
        (
            ["python intel_openmp-2024.2.0 pip", "conda llvm-openmp-18.1.8-h0"],
            "intel_openmp 2024.2.0 of pip beside llvm-openmp 18.1.8 of conda: two OpenMP",
        ),
        (
            [
                "conda cudatoolkit-11.8.0-h0",
                *(f"python nvidia_{each}_cu12-12.4 pip" for each in ("cublas", "nccl", "nvtx")),
                "python nvidia_cuda_runtime_cu12-12.4 pip",
            ],
            "nvidia_cublas_cu12 12.4, nvidia_nccl_cu12 12.4, nvidia_nvtx_cu12 12.4 and 1 more of "
            "pip beside cudatoolkit 11.8.0 of conda: ",
        ),
    ],
)
def test_a_distribution_of_pip_beside_conda_packages_that_it_breaks(
    lines: list[str], said: str
) -> None:
    [found] = told(*lines)
    assert found.startswith(said)


def test_two_opencvs_of_pip_are_one_module() -> None:
    [found] = told("python opencv_python-4.10 pip", "python opencv_python_headless-4.10 pip")
    assert found == (
        "opencv_python 4.10 beside opencv_python_headless 4.10: both are the module cv2"
    )


def test_who_installed_it_must_be_known() -> None:
    """Packages of conda without an INSTALLER are as many as those that somebody copied there."""
    assert told("conda pytorch-2.4.0-cuda124_0", "python torch-2.4.0 ?") == ()


@pytest.mark.parametrize(
    ("asks", "older"),
    [
        ("numpy >=1.21,<2", True),
        ("numpy<1.28.0,>=1.21.6", True),
        ("numpy >=1.23.5,<2.0a0", True),
        ("numpy (<2.0.0,>=1.2)", True),
        ("numpy 1.26.* py311_0", True),
        ("numpy==1.26.4", True),
        ("numpy~=1.22", True),
        ("numpy", False),
        ("numpy>=1.21", False),
        ("numpy!=1.24.0,>=1.20", False),
        ("numpy >=1.19,<3", False),
        ("numpy<2.3,>=1.22", False),
        ("numpy>=2", False),
        ('numpy<2; python_version < "3.9"', False),
        ("numpy <2|>=2.1", False),
    ],
)
def test_numpy_2_under_what_was_made_for_numpy_1(asks: str, older: bool) -> None:
    bound = f"conda scipy-1.11.4-py311_0 {asks}"
    said = told("python numpy-2.1.0 pip", bounds=(bound, "nonsense"))
    expected = f"numpy 2.1.0 under scipy-1.11.4-py311_0, which asks for {asks}"
    assert said == ((expected,) if older else ())
    assert told(bounds=(bound,)) == ()  # it is numpy 1


def test_many_packages_under_a_numpy_that_is_too_new_are_counted() -> None:
    bounds = tuple(f"python p{number}-1 numpy<2" for number in range(8))
    said = told("python numpy-2.1.0 pip", bounds=bounds)
    assert len(said) == 4
    assert said[-1] == "numpy 2.1.0 under 5 more that ask for an older one"
