"""Which tool builds an environment on a host, and with which python. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, HostFacts, Tool

CONDA_TOOLS = ("micromamba", "mamba", "conda")
"""In the order of preference: the first two are one program that names each package it links,
solves fastest and leaves base alone; conda's own progress is only phases."""


@dataclass(frozen=True)
class Choice:
    """``bring``: the tool is not there yet and comes to ``path``. ``python``: for uv and venv."""

    tool: str  # conda | mamba | micromamba | uv | venv
    path: str
    bring: bool
    why: str
    python: str = ""

    @property
    def conda(self) -> bool:
        return self.tool in CONDA_TOOLS


def choose(spec: EnvironmentSpec, facts: HostFacts) -> Choice:
    """The tool for this file on this host.

    A file that needs conda gets the host's own conda tool, else a micromamba that gpuws brings.
    A file that needs none gets a conda tool in two cases only: it names channels itself (it was
    written for conda, and the host has conda), or no interpreter of the host satisfies its python
    and only conda can give another. Otherwise uv, the host's or one that gpuws brings: a conda
    tool would need a channel that such a file never asked for. Where uv cannot be brought,
    ``ensure`` falls back to venv.
    """
    found = _conda_tool(facts)
    if spec.kind == "conda":
        return found or Choice(
            "micromamba",
            f"{facts.root}/tools/bin/micromamba",
            True,
            "the host has no conda, mamba or micromamba",
        )
    if found and spec.channels:
        return found
    try:
        python = python_for(spec, facts.pythons)
    except GpuwsError:
        if found:
            return found
        raise
    uv = facts.tool("uv")
    if uv:
        return Choice(
            "uv", uv.path, False, "the file needs no conda and the host has uv", python.path
        )
    why = "the file needs no conda and the host has no uv"
    return Choice("uv", f"{facts.root}/tools/bin/uv", True, why, python.path)


def tool_channels(final: tuple[str, ...], named: tuple[str, ...]) -> tuple[str, ...]:
    """Where a tool of ours comes from, in order. hosts.yaml's own list is ``final``; a file's list
    gets conda-forge after it, since few channels carry such tools."""
    skipped = {"defaults", "nodefaults"}
    listed = final or (*named, "conda-forge")
    return tuple(dict.fromkeys(each for each in listed if each not in skipped))


def _conda_tool(facts: HostFacts) -> Choice | None:
    for name in CONDA_TOOLS:
        tool = facts.tool(name)
        if tool and not (name == "mamba" and _is_mamba_1(tool)):
            return Choice(name, tool.path, False, f"the host has {name}")
    return None


def _is_mamba_1(tool: Tool) -> bool:
    """mamba 1 is another program: Python over conda, and conda is beside it."""
    number = re.search(r"(\d+)\.\d", tool.version)
    return bool(number and int(number[1]) < 2)


def venv_instead(choice: Choice, why: str) -> Choice:
    """The same environment without uv."""
    return Choice("venv", choice.python, False, why, choice.python)


def python_for(spec: EnvironmentSpec, pythons: tuple[Tool, ...]) -> Tool:
    """The newest interpreter of the host that satisfies the file; nothing is ever downloaded.

    Raises python-not-found with the versions that are there.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        wanted = SpecifierSet(spec.python or ">=3.8")
    except InvalidSpecifier as error:
        raise GpuwsError(
            "environment-file-invalid",
            f"{spec.source}: python {spec.python} is not a version specifier",
            stage="environment",
        ) from error
    best: tuple[Version, Tool] | None = None
    for tool in pythons:
        try:
            version = Version(tool.version.rpartition(" ")[2])
        except InvalidVersion:
            continue
        if wanted.contains(version, prereleases=bool(wanted.prereleases)) and (
            best is None or version > best[0]
        ):
            best = (version, tool)
    if best is None:
        raise _no_python(spec, pythons)
    return best[1]


def _no_python(spec: EnvironmentSpec, pythons: tuple[Tool, ...]) -> GpuwsError:
    found = ", ".join(f"{tool.version} ({tool.path})" for tool in pythons) or "none"
    wanted = f"python {spec.python}" if spec.python else "a python (3.8 or newer)"
    return GpuwsError(
        "python-not-found",
        f"{spec.source} asks for {wanted}; the host has: {found}",
        hint=(
            "change the version in the file, install that python on the host, or add a conda "
            "package or `channels:` to an environment.yml so that conda brings it"
        ),
        stage="environment",
    )
