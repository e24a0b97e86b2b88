"""Exports from other systems are recognised and can be had without builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.environment import without_builds

from .writing import load

WINDOWS = """\
name: x
channels: [defaults]
dependencies:
  - python=3.11.4=he1021f5_0
  - numpy=1.26.4=py311h0b4df5a_0
  - pytorch=2.*=*cuda*
  - ucrt=10.0.22621.0=h57928b3_0
  - vc14_runtime=14.38=h82b7239_18
  - vs2015_runtime=14.38=hcb4865c_18
  - m2w64-gcc-libs=5.3.0=7
  - conda-forge::scipy=1.11.1=py311h_0
  - pip:
      - einops==0.7.0
      - pywin32==306
prefix: C:\\Users\\me\\miniconda3\\envs\\x
"""
MAC = """\
dependencies:
  - python=3.11.4=h30d4d87_0_cpython
  - libcxx=16.0.6=h4653b0c_0
  - appnope=0.1.3=pyhd8ed1ab_0
prefix: /Users/me/miniforge3/envs/x
"""


def test_a_windows_export_is_recognised_and_rewritten(tmp_path: Path) -> None:
    spec = load(tmp_path, WINDOWS)
    assert spec.foreign == "Windows"
    portable = without_builds(spec)
    assert portable.foreign is None
    assert portable.conda == (
        "python=3.11.4",
        "numpy=1.26.4",
        "pytorch=2.*=*cuda*",
        "conda-forge::scipy=1.11.1",
    )
    assert portable.pip == ("einops==0.7.0",)
    assert (portable.python, portable.kind) == ("==3.11.4", "conda")
    assert "exact builds are left out, and 5 packages of Windows" in portable.notes[-1]


def test_a_macos_export_is_recognised_and_rewritten(tmp_path: Path) -> None:
    spec = load(tmp_path, MAC)
    assert spec.foreign == "macOS"
    portable = without_builds(spec)
    assert portable.conda == ("python=3.11.4", "libcxx=16.0.6")


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("dependencies: [a=1=h0]\nprefix: C:\\x", "Windows"),
        ("dependencies: [a=1=h0]\nprefix: /Users/me/x", "macOS"),
        ("dependencies: [a=1=h0]\nprefix: /opt/homebrew/x", "macOS"),
        ("dependencies: [a=1=h0]\nprefix: /home/me/x", None),
        # --from-history and --no-builds of a file without platform packages travel well
        ("dependencies: [a=1]\nprefix: C:\\x", None),
        ("dependencies: [a]\nprefix: /Users/me/x", None),
        ("dependencies: [pywin32]", "Windows"),
        ("dependencies: [clang_osx-arm64]", "macOS"),
        ("dependencies: [libcxx=16=h0, python=3.11=h0]", "macOS"),
        ("dependencies: [libcxx=16=h0, libgcc-ng=13=h0]", None),
        ("dependencies: [libcxx]", None),
        ("dependencies: [numpy=1.26.4=py311h64a7726_0]", None),
        ("dependencies:\n- pip: [pywin32]", "Windows"),
        ("dependencies:\n- pip: ['pywin32; sys_platform == \"win32\"']", None),
    ],
)
def test_the_signs_of_another_system(tmp_path: Path, text: str, foreign: str | None) -> None:
    assert load(tmp_path, text).foreign == foreign


def test_a_pip_freeze_from_windows_is_recognised(tmp_path: Path) -> None:
    spec = load(tmp_path, "numpy==1.26\npywin32==306\n", "requirements.txt")
    assert spec.foreign == "Windows"
    assert without_builds(spec).pip == ("numpy==1.26",)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a=1.0=h0", "a=1.0"),
        ("a==1.0=h0", "a=1.0"),
        ("a 1.0 h0", "a=1.0"),
        ("a=*=h0", "a"),
        ("a * h0", "a"),
        ("a>=1 h0", "a>=1"),
        ("a[version='1.0',build=h0]", "a=1.0"),
        ("a=1.0", "a=1.0"),
        ("a=1=*cuda*", "a=1=*cuda*"),
    ],
)
def test_builds_go_and_versions_stay(tmp_path: Path, written: str, kept: str) -> None:
    spec = load(tmp_path, f'dependencies: ["{written}"]')
    assert without_builds(spec).conda == (kept,)


def test_a_list_without_builds_stays_as_it_is(tmp_path: Path) -> None:
    spec = load(tmp_path, "dependencies: [python=3.11, numpy]")
    assert without_builds(spec) == spec
