"""Which tool, with which python."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gpuws.environments.choose import choose, python_for
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, HostFacts, Tool

HOST = HostFacts(
    system="Linux",
    machine="x86_64",
    user="ada",
    uid=1000,
    home="/home/ada",
    shell="/bin/sh",
    node="gpu1",
    boot_id="b",
    now=0,
    root="/home/ada/gpuws",
    root_writable=True,
    root_filesystem="ext4",
    disk_free_mb=1000,
    pythons=(
        Tool("python3.9", "/usr/bin/python3.9", "3.9.2"),
        Tool("python3.11", "/usr/bin/python3.11", "3.11.7"),
        Tool("python3.15", "/usr/bin/python3.15", "3.15.0a1"),
        Tool("python3", "/opt/odd/python3", "Python 3.10.4"),
        Tool("python3.x", "/opt/broken", "no version"),
    ),
)
CONDA = EnvironmentSpec("environment.yml", "conda", channels=("conda-forge",), conda=("numpy",))
PIP = EnvironmentSpec("requirements.txt", "pip", pip=("numpy",))


def tool(name: str, version: str = "") -> Tool:
    return Tool(name, f"/opt/bin/{name}", version)


@pytest.mark.parametrize(
    ("spec", "tools", "taken", "bring"),
    [
        (CONDA, (), "micromamba", True),
        (CONDA, (tool("conda"),), "conda", False),
        (CONDA, (tool("conda"), tool("mamba", "2.1.0")), "mamba", False),
        (CONDA, (tool("conda"), tool("mamba", "1.5.8")), "conda", False),
        (CONDA, (tool("mamba", "mamba 1.5.8"),), "micromamba", True),
        (CONDA, (tool("conda"), tool("micromamba"), tool("uv")), "micromamba", False),
        (PIP, (), "uv", True),
        (PIP, (tool("uv"), tool("conda")), "uv", False),
        (PIP, (tool("conda"),), "uv", True),
        (replace(PIP, channels=("conda-forge",)), (tool("uv"), tool("conda")), "conda", False),
        (replace(PIP, channels=("conda-forge",)), (tool("uv"),), "uv", False),
        (replace(PIP, python="==3.12.*"), (tool("uv"), tool("conda")), "conda", False),
    ],
)
def test_the_tool_is(
    spec: EnvironmentSpec, tools: tuple[Tool, ...], taken: str, bring: bool
) -> None:
    choice = choose(spec, replace(HOST, tools=tools))
    assert (choice.tool, choice.bring) == (taken, bring)
    place = "/home/ada/gpuws/tools/bin" if bring else "/opt/bin"
    assert choice.path == f"{place}/{taken}"
    assert choice.why


@pytest.mark.parametrize(
    ("python", "path"),
    [
        (None, "/usr/bin/python3.11"),
        ("==3.9.*", "/usr/bin/python3.9"),
        (">=3.9,<3.11", "/opt/odd/python3"),
        ("~=3.10", "/usr/bin/python3.11"),
    ],
)
def test_the_newest_python_that_satisfies_is_taken(python: str | None, path: str) -> None:
    assert python_for(replace(PIP, python=python), HOST.pythons).path == path


def test_a_python_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(GpuwsError) as caught:
        choose(replace(PIP, python="==3.12.*"), HOST)
    assert caught.value.code == "python-not-found"
    assert caught.value.exit == 8
    for version in ("3.9.2", "3.11.7", "3.15.0a1"):
        assert version in caught.value.message
    assert "3.12" in caught.value.message


def test_a_python_that_is_no_specifier_is_a_fault_of_the_file() -> None:
    with pytest.raises(GpuwsError) as caught:
        python_for(replace(PIP, python="three"), HOST.pythons)
    assert caught.value.code == "environment-file-invalid"
