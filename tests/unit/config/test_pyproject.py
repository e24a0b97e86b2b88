"""pyproject.toml: dependencies and requires-python."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import pytest

from gpuws.plan.model import EnvironmentSpec

from .writing import load, refusal, write

NAME = "pyproject.toml"
HAS_TOML = sys.version_info >= (3, 11)
needs_toml = pytest.mark.skipif(not HAS_TOML, reason="tomllib is part of Python 3.11")


@needs_toml
def test_dependencies_and_python_are_taken(tmp_path: Path) -> None:
    text = """\
[project]
name = "vision"
requires-python = ">=3.10, <3.13"
dependencies = ["numpy>=1.26", "torch ; sys_platform == 'linux'", "x @ https://example.org/x.whl"]
"""
    assert load(tmp_path, text, NAME) == EnvironmentSpec(
        source=str(tmp_path / NAME),
        kind="pip",
        name="vision",
        pip=("numpy>=1.26", "torch ; sys_platform == 'linux'", "x @ https://example.org/x.whl"),
        python=">=3.10,<3.13",
    )


@needs_toml
@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("[project\n", "1:9: ", "this is not TOML: Expected ']'"),
        ("[project]\na = 1\na = 2\n", "", "this is not TOML: Cannot overwrite a value"),
        ("a = 1\n", "1: ", "no [project] table"),
        ("[tool.poetry]\nname = 'x'\n", "1: ", "only Poetry's own"),
        ("project = 1\n", "1: ", "must be a table"),
        ("[project]\ndynamic = ['dependencies']\n", "2: ", "dependencies are dynamic"),
        ("[project]\ndependencies = 'a'\n", "2: ", "must be a list"),
        ("[project]\ndependencies = [\n 'a',\n 'b c',\n]\n", "4: ", "no pip requirement"),
        ("[project]\ndependencies = [1]\n", "2: ", "must be text, not 1"),
        ("[project]\ndependencies = ['']\n", "2: ", "is no requirement"),
        ("[project]\ndependencies = ['-e .']\n", "2: ", "is no requirement"),
        ("[project]\ndependencies = ['a @ file:///x']\n", "2: ", "local code"),
        ("[project]\nrequires-python = '3.x'\n", "2: ", "takes a range"),
        ("[project]\nrequires-python = 3\n", "2: ", "takes a range"),
        ("a = " + "9" * 5000 + "\n", "1: ", "this is not TOML"),
    ],
)
def test_a_fault_is_refused_with_its_line(tmp_path: Path, text: str, place: str, said: str) -> None:
    error = refusal(tmp_path, text, NAME)
    assert said in error.message
    assert f"{NAME}:{place}" in error.message
    assert (error.code, error.exit) == ("environment-file-invalid", 3)


@needs_toml
@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("[project]\nname = 'a'\n", "names no dependencies"),
        (
            "[project]\ndependencies = ['a']\n[project.optional-dependencies]\nx = ['b']\n",
            "optional-dependencies are not installed",
        ),
        ("[project]\nname = 'base'\ndependencies = ['a']\n", "'base' cannot name a workspace"),
    ],
)
def test_what_is_left_aside_is_noted(tmp_path: Path, text: str, note: str) -> None:
    assert note in " ".join(load(tmp_path, text, NAME).notes)


@needs_toml
@pytest.mark.parametrize("text", ["a=" + "[" * 100_000, "a." * 30_000 + "a=1", "a={" * 3000])
def test_toml_that_would_blow_up_the_reader_is_refused_quickly(tmp_path: Path, text: str) -> None:
    begin = time.perf_counter()
    assert refusal(tmp_path, text, NAME).code == "environment-file-invalid"
    assert time.perf_counter() - begin < 2


def test_a_python_without_a_toml_reader_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    write(tmp_path, "[project]\n", NAME)
    error = refusal(tmp_path, "[project]\n", NAME)
    assert "has no TOML reader" in error.message
    assert "tomli" in error.hint
