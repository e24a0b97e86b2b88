"""What a build needs to know, and the files that it becomes in builds/<hash>/ on the host."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from typing import Protocol

from gpuws.environments.choose import Choice
from gpuws.errors import GpuwsError
from gpuws.host.script import script
from gpuws.plan.mirrors import split_spec
from gpuws.plan.model import EnvironmentSpec, HostFacts, Mirror, Pairs
from gpuws.plan.naming import package_name

_NAME = re.compile(r"(?:[^:\s]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_INCLUDE = re.compile(r"(\s*(?:-r|--requirement|-c|--constraint)(?:\s+|=))(\S.*?)(\s+#.*)?\s*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_JUPYTER = {"jupyterlab", "ipykernel"}
_PACKAGE = "gpuws.environments"

File = tuple[str, str, str]
"""Name below builds/<hash>/, mode in octal, text."""


class Engine(Protocol):
    """Where the build runs: the fragments define engine_start, engine_alive, engine_stop."""

    @property
    def name(self) -> str: ...
    @property
    def fragments(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class BuildOrder:
    """One environment to build on one host. ``extra`` is what gpuws brings beside the list."""

    root: str
    run_base: str
    engine: Engine
    spec: EnvironmentSpec
    extra: tuple[str, ...]
    choice: Choice
    hash: str
    facts: HostFacts
    channels: tuple[str, ...] = ()  # instead of the file's
    pip_index: str | None = None
    cache_dir: str | None = None
    prologue: tuple[str, ...] = ()
    env: Pairs = ()
    cuda: str = ""  # what the driver can do, "12.4"
    accept_terms: bool = False  # the user said yes to conda's Terms of Service
    wanted_by: str = ""  # the workspace's name
    check: tuple[str, ...] = ()  # modules that must be importable
    mirror: Mirror | None = None
    sources: Pairs = ()  # (channel as it is named, address that it comes from)

    @property
    def unit(self) -> str:
        return unit(self.hash)

    @property
    def run(self) -> str:
        return f"{self.run_base}/{self.unit}"

    @property
    def prefix(self) -> str:
        return f"{self.root}/envs/{self.hash}"

    @property
    def folder(self) -> str:
        return f"{self.root}/builds/{self.hash}"

    @property
    def effective_channels(self) -> tuple[str, ...]:
        return self.channels or self.spec.channels

    def source(self, channel: str) -> str:
        """Where a channel comes from: an address of the mirror, or as it is named."""
        return dict(self.sources).get(channel, channel)


def unit(digest: str) -> str:
    """The build's name for an engine: the same for everybody who wants this environment."""
    return f"b-{digest[:8]}"


def build_script() -> tuple[str, str]:
    """(file name by content, text) of what runs on the host."""
    parts = script(
        _PACKAGE,
        "lock.sh",
        "packages.sh",
        f"{_PACKAGE}.uv:pip_settings.sh",
        f"{_PACKAGE}.uv:create.sh",
        f"{_PACKAGE}.conda:create.sh",
        "build.sh",
    )
    text = "#!/bin/sh\n" + parts.text
    return f"build-{hashlib.sha256(text.encode()).hexdigest()[:12]}.sh", text


def files(order: BuildOrder) -> tuple[File, ...]:
    """Everything that lies beside the build script; the same names for every kind of build."""
    spec = order.spec
    requirements, included = _requirements(order)
    plain = _yml(order, ())
    return (
        ("order.sh", "600", _settings(order)),
        ("prologue.sh", "600", "".join(line + "\n" for line in order.prologue)),
        ("environment.yml", "600", _yml(order, order.extra if spec.kind == "conda" else ())),
        ("environment-plain.yml", "600", plain),
        ("requirements.txt", "600", _lines(requirements)),
        (
            "requirements-jupyter.txt",
            "600",
            _lines(order.extra) if spec.kind == "conda" else "",
        ),
        *((name, "600", text) for name, text in included),
        ("pip-names", "600", _lines(_pip_names(order))),
        ("conda-names", "600", _lines(_conda_names(order))),
        ("imports", "600", _lines(order.check)),
        ("variables.json", "600", _variables_json(spec.variables)),
        ("variables", "600", _exports(spec.variables)),
        ("check.py", "600", _check()),
    )


def _check() -> str:
    from importlib import resources

    return resources.files(_PACKAGE).joinpath("check.py").read_text(encoding="utf-8")


def _lines(values: tuple[str, ...]) -> str:
    return "".join(value + "\n" for value in values)


def _settings(order: BuildOrder) -> str:
    choice = order.choice
    ours = choice.path.startswith(f"{order.root}/tools/")
    values = {
        "tool": choice.tool,
        "path": choice.path,
        "python": choice.python,
        "brought": "1" if choice.bring or ours else "0",
        "cache": order.cache_dir or "",
        "pip_index": order.pip_index or "",
        "cuda": order.cuda,
        "jupyter": "1" if _expects_jupyter(order) else "0",
        "channels": "1" if order.effective_channels else "0",
        "closed": _closed(order),
        "terms": "1" if order.accept_terms else "0",
    }
    lines = [f"order_{name}={shlex.quote(value)}" for name, value in values.items()]
    path = (("PATH", order.facts.path),) if order.facts.path else ()
    return "\n".join(lines) + "\n" + _exports((*path, *order.env))


def _closed(order: BuildOrder) -> str:
    """The only channels there are, comma separated, where hosts.yaml or ``nodefaults`` says so."""
    named = order.effective_channels
    if not order.channels and "nodefaults" not in named:
        return ""
    return ",".join(order.source(each) for each in named if each != "nodefaults")


def _exports(pairs: Pairs) -> str:
    for name, _ in pairs:
        if not _VARIABLE.fullmatch(name):
            raise GpuwsError(
                "environment-file-invalid",
                f"{name!r} cannot be the name of an environment variable",
                hint="letters, digits and _, not a digit first",
                stage="environment",
            )
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in pairs)


def _variables_json(pairs: Pairs) -> str:
    return json.dumps({"env_vars": dict(pairs)}) + "\n" if pairs else ""


def _expects_jupyter(order: BuildOrder) -> bool:
    asked = {*order.extra, *map(package_name, (*order.spec.conda, *order.spec.pip))}
    return "jupyterlab" in asked


# --- the conda part ----------------------------------------------------------------------------


def _yml(order: BuildOrder, extra: tuple[str, ...]) -> str:
    """Without the pip section and the variables, which build.sh sees to. JSON strings are YAML."""
    lines = ["channels:"] if order.effective_channels else []
    lines += [f"  - {json.dumps(order.source(each))}" for each in order.effective_channels]
    lines.append("dependencies:")
    specs = (_from_source(order, spec) for spec in (*conda_specs(order), *extra))
    lines += [f"  - {json.dumps(spec)}" for spec in specs]
    return "\n".join(lines) + "\n"


def _from_source(order: BuildOrder, spec: str) -> str:
    channel, rest = split_spec(spec)
    return order.source(channel) + rest


def conda_specs(order: BuildOrder) -> tuple[str, ...]:
    """The file's own, with the python and the pip that its other parts need."""
    spec = order.spec
    specs = list(spec.conda)
    names = {package_name(each) for each in specs}
    if spec.kind == "pip" and "python" not in names:
        specs.append(f"python {spec.python}" if spec.python else "python")
    through_pip = spec.pip or order.extra
    if through_pip and "pip" not in names:
        specs.append("pip")
    return tuple(specs)


def _conda_names(order: BuildOrder) -> tuple[str, ...]:
    if not order.choice.conda:
        return ()
    return tuple(name for name in map(_conda_name, conda_specs(order)) if name)


def _conda_name(text: str) -> str:
    found = _NAME.match(text.strip())
    return found[1].lower() if found else ""


# --- the pip part ------------------------------------------------------------------------------


def _requirements(order: BuildOrder) -> tuple[tuple[str, ...], Pairs]:
    """The lines of requirements.txt, and the files they refer to under names of ours.

    A name such as ``../base.txt`` would leave the build's folder, so each becomes include-N.txt.
    """
    names = {
        name: f"include-{number}.txt"
        for number, (name, _) in enumerate(order.spec.pip_files, start=1)
    }
    lines = tuple(_renamed(line, names) for line in order.spec.pip)
    if order.spec.kind == "pip":
        lines = (*lines, *order.extra)
    included = tuple(
        (names[name], _lines(tuple(_renamed(line, names) for line in text.splitlines())))
        for name, text in order.spec.pip_files
    )
    return lines, included


def _renamed(line: str, names: dict[str, str]) -> str:
    found = _INCLUDE.fullmatch(line)
    if not found or found[2] not in names:
        return line
    return found[1] + names[found[2]]


def _pip_names(order: BuildOrder) -> tuple[str, ...]:
    """Distributions that must be there when pip has ended; those with a marker may be absent."""
    from packaging.requirements import InvalidRequirement, Requirement

    lines = [*order.spec.pip]
    used = {
        found[2] for line in lines if (found := _INCLUDE.fullmatch(line)) and "-c" not in found[1]
    }
    for name, text in order.spec.pip_files:
        lines += text.splitlines() if name in used else []
    if order.spec.kind == "pip":
        lines += order.extra
    names = []
    for line in lines:
        try:
            requirement = Requirement(line.split(" #")[0].split(" --")[0].strip())
        except InvalidRequirement:
            continue
        if requirement.marker is None:
            names.append(requirement.name)
    return tuple(dict.fromkeys(names))
