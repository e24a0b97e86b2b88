"""An environment.yml from what was declared and what is installed; gpuws itself can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuws.config.environment import load_environment
from gpuws.plan.drift import packages_from
from gpuws.plan.export import Declared, declared_from, exported

DECLARED = declared_from(
    [
        "channels:",
        '  - "conda-forge"',
        "dependencies:",
        '  - "python=3.11"',
        '  - "conda-forge::numpy >=1.20"',
        "  - not json",
    ],
    ["rich[jupyter]>=13 ; python_version > '3'  # colours", "--no-binary x", "jupyterlab"],
    '{"env_vars": {"GREETING": "it\\u0027s", "N": 1}}',
    without=["jupyterlab"],
)
NOW = packages_from(
    [
        "conda numpy-1.26.4-py311h1",
        "conda python-3.11.9-h2_cpython",
        "conda openssl-3.3.0-h1",
        "python numpy-1.26.4 conda",
        "python rich-13.7.0 pip",
        "python jupyterlab-4.2.0 pip",
        "python by_hand-0.1 pip",
    ]
)
HAND = packages_from(["python by_hand-0.1 pip"])


def read(tmp_path: Path, text: str) -> tuple[set[str], tuple[str, ...]]:
    path = tmp_path / "environment.yml"
    path.write_text(text)
    found = load_environment(path)
    assert found.name == "demo"
    return set(found.conda), found.pip


def test_what_was_declared_is_read_without_what_gpuws_brought() -> None:
    assert (
        Declared(
            ("conda-forge",),
            ("python=3.11", "conda-forge::numpy >=1.20"),
            ("rich[jupyter]>=13 ; python_version > '3'", "--no-binary x"),
            (("GREETING", "it's"),),
        )
        == DECLARED
    )


def test_as_asked_for_is_what_was_written_and_what_came_by_hand(tmp_path: Path) -> None:
    text = exported("demo", DECLARED, NOW, HAND, "asked")
    conda, pip = read(tmp_path, text)
    assert conda >= {"python=3.11", "conda-forge::numpy>=1.20"}
    assert pip[0].startswith("rich[jupyter]>=13")
    assert pip[-1] == "by_hand==0.1"
    assert "# installed by hand" in text
    assert "jupyterlab" not in text
    assert 'GREETING: "it' in text


def test_pinned_keeps_the_list_and_names_the_versions(tmp_path: Path) -> None:
    conda, pip = read(tmp_path, exported("demo", DECLARED, NOW, HAND, "pinned"))
    assert conda >= {"python=3.11.9", "conda-forge::numpy=1.26.4"}
    assert pip == ("rich[jupyter]==13.7.0; python_version > '3'", "--no-binary x", "by_hand==0.1")


def test_exact_names_every_package_once(tmp_path: Path) -> None:
    conda, pip = read(tmp_path, exported("demo", DECLARED, NOW, HAND, "exact"))
    assert {"numpy=1.26.4=py311h1", "openssl=3.3.0=h1", "python=3.11.9=h2_cpython"} <= conda
    assert pip == ("by_hand==0.1", "jupyterlab==4.2.0", "rich==13.7.0")


def test_without_conda_python_stays_as_it_was_declared(tmp_path: Path) -> None:
    now = packages_from(["python rich-13.7.0 uv"])
    conda, pip = read(tmp_path, exported("demo", DECLARED, now, (), "exact"))
    assert "python=3.11" in conda
    assert pip == ("rich==13.7.0",)


@pytest.mark.parametrize("name", ["yes", "1.10", "a: b", "- x", "é"])
def test_a_name_that_yaml_would_take_for_something_else_stays_a_name(name: str) -> None:
    first = exported(name, DECLARED, NOW, (), "asked").splitlines()[0]
    assert first.startswith('name: "')
