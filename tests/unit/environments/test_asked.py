"""An environment file against what is installed: which of its lines are not satisfied."""

from __future__ import annotations

import pytest

from gpuws.environments.asked import unasked, unmet
from gpuws.plan.drift import packages_from
from gpuws.plan.model import EnvironmentSpec

NOW = packages_from(
    [
        "conda python-3.11.9-h2_cpython",
        "conda numpy-1.26.4-py311h1",
        "conda openssl-1.1.1w-h1",
        "python numpy-1.26.4 conda",
        "python ruamel_yaml-0.18.6 pip",
    ]
)


def conda(*specs: str, pip: tuple[str, ...] = (), **files: str) -> EnvironmentSpec:
    texts = tuple((name.replace("_", "."), text) for name, text in files.items())
    return EnvironmentSpec("environment.yml", "conda", conda=specs, pip=pip, pip_files=texts)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("numpy", ""),
        ("numpy=1.26", ""),
        ("conda-forge::numpy>=1.20,<2", ""),
        ("numpy=1.26.4=py39*", ""),  # a build is not compared
        ("openssl>=3", ""),  # nor a version that is none of Python's
        ("numpy>=2", "numpy>=2: 1.26.4 is installed"),
        ("numpy==1.26.3", "numpy==1.26.3: 1.26.4 is installed"),
        ("python=3.12", "python=3.12: 3.11.9 is installed"),
        ("scipy", "scipy: not installed"),
        ("https://u:pw@host/t/tk/ch::scipy", "https://host/ch::scipy: not installed"),
    ],
)
def test_a_conda_spec(spec: str, said: str) -> None:
    assert unmet(conda(spec), NOW) == ((said,) if said else ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy", ""),  # conda brought it
        ("ruamel.yaml<1", ""),
        ("ruamel.yaml[jinja2]>=0.19", "ruamel.yaml[jinja2]>=0.19: 0.18.6 is installed"),
        ("rich==13.0  # colours", "rich==13.0: not installed"),
        ("rich; sys_platform == 'win32'", ""),
        ("--extra-index-url https://host/simple", ""),
        ("-r base.txt", "six>=1: not installed"),
        ("-c base.txt", ""),
    ],
)
def test_a_line_for_pip(line: str, said: str) -> None:
    spec = conda("numpy", pip=(line,), base_txt="six>=1\n# nothing\n")
    assert unmet(spec, NOW) == ((said,) if said else ())


def test_the_python_of_a_virtual_environment_is_compared_too() -> None:
    spec = EnvironmentSpec("requirements.txt", "pip", python=">=3.12")
    assert unmet(spec, (), python="3.11.9") == ("python >=3.12: 3.11.9 is installed",)
    assert unmet(spec, (), python="3.12.1") == ()
    assert unmet(spec, ()) == ()
    assert unmet(spec, NOW) == ("python >=3.12: 3.11.9 is installed",)


def test_names_that_were_asked_for_and_are_not_in_the_file_any_more() -> None:
    spec = conda("numpy>=1", pip=("ruamel.yaml", "-r base.txt"), base_txt="six\n")
    asked = ["python", "pip", "numpy", "ruamel_yaml", "six", "rich", "jupyterlab", "scipy", "rich"]
    assert unasked(spec, asked, ["jupyterlab"]) == ("rich", "scipy")
