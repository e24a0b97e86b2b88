"""A package more in a file: a line more, and not a character else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.adding import add_packages
from gpuws.config.environment import load_environment
from gpuws.errors import GpuwsError

CONDA = """\
# ours
name: demo   # the project
channels: [conda-forge]
dependencies:
  - python=3.11  # not 3.12: torch
  - "numpy >=1.20"

  # seldom used
variables: {A: 1}
"""
WITH_PIP = """\
dependencies:
    - python=3.11
    - pip
    - pip:
        - rich
        # the rest
        - httpx>=0.27
"""


def added(tmp_path: Path, text: str, *packages: str, pip: bool = False) -> str:
    path = tmp_path / "environment.yml"
    path.write_bytes(text.encode())
    done = add_packages(path, packages, pip=pip)
    after = path.read_bytes().decode()
    done.undo()
    assert path.read_bytes().decode() == text
    assert [each.name for each in tmp_path.iterdir()] == ["environment.yml"]
    return after


def test_a_conda_package_goes_behind_the_last_one(tmp_path: Path) -> None:
    after = added(tmp_path, CONDA, "scipy=1.13", "nvidia::cuda-nvcc")
    before, behind = CONDA.split('"numpy >=1.20"\n')
    line = '"numpy >=1.20"\n'
    assert after == f"{before}{line}  - scipy=1.13\n  - 'nvidia::cuda-nvcc'\n{behind}"


def test_a_first_pip_package_brings_the_section_and_pip(tmp_path: Path) -> None:
    after = added(tmp_path, CONDA, "rich>=13", pip=True)
    assert "  - pip\n  - pip:\n      - 'rich>=13'\n\n  # seldom used\n" in after


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_pip_package_goes_to_the_end_of_its_section(tmp_path: Path, end: str) -> None:
    text = WITH_PIP.rstrip("\n") if not end else WITH_PIP.replace("\n", end)
    after = added(tmp_path, text, "tqdm", pip=True)
    newline = end or "\n"
    assert after == (text if end else text + "\n") + f"        - tqdm{newline}"
    conda = added(tmp_path, text, "scipy")
    assert f"    - pip{newline}    - scipy{newline}    - pip:{newline}" in conda


def test_a_requirements_file_gets_a_line(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("rich  # colours")
    path.chmod(0o640)
    assert add_packages(path, ["tqdm==4.66"], pip=False).added == ("tqdm==4.66",)
    assert path.read_text() == "rich  # colours\ntqdm==4.66\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yml").write_text(CONDA)
    link = tmp_path / "environment.yml"
    link.symlink_to("real.yml")
    add_packages(link, ["scipy"], pip=False)
    assert link.is_symlink()
    assert "scipy" in load_environment(link).conda


REFUSED = [
    (CONDA, "numpy=2", False, "has numpy"),
    (WITH_PIP, "HTTPX", True, "has httpx"),
    (CONDA, "-c evil", False, "cannot begin with '-'"),
    (CONDA, "a b c !!", True, "no pip requirement"),
    ("dependencies: [python, numpy]\n", "scipy", False, "a package a line"),
    ("name: x\n", "scipy", False, "no list under dependencies"),
    ("dependencies:\n  - >-\n    python\n", "scipy", False, "cannot be edited"),
    ("dependencies:\n  - python\n  - pip: [rich]\n", "tqdm", True, "cannot be edited"),
]


@pytest.mark.parametrize(("text", "package", "pip", "says"), REFUSED)
def test_what_cannot_be_done_in_a_line_is_refused_and_the_file_is_as_it_was(
    tmp_path: Path, text: str, package: str, pip: bool, says: str
) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(text)
    with pytest.raises(GpuwsError) as caught:
        add_packages(path, [package], pip=pip)
    assert caught.value.code == "environment-file-invalid"
    assert says in caught.value.message
    assert path.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["environment.yml"]


def test_a_pyproject_is_left_to_its_own_tools(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\nversion = "1"\ndependencies = []\n')
    with pytest.raises(GpuwsError, match="uv add"):
        add_packages(path, ["rich"], pip=False)
