"""What a build needs to know, and the files that it becomes in builds/<hash>/ on the host."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from typing import Protocol

from gpuws.environments.choose import Choice
from gpuws.environments.locked import Addresses, File, locked_files
from gpuws.errors import GpuwsError
from gpuws.host.script import script
from gpuws.plan.declared import as_text, conda_specs, pip_names, requirement_lines
from gpuws.plan.local import lines_on_host, written
from gpuws.plan.lock import Lock
from gpuws.plan.mirrors import split_spec
from gpuws.plan.model import NOTHING_KEPT, EnvironmentSpec, HostFacts, Kept, Mirror, Pairs
from gpuws.plan.naming import package_name

_NAME = re.compile(r"(?:[^:\s]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FRAGMENTS = ("gpuws.engines:volume.sh", "lock.sh", "gpuws.host:probe/shared.sh", "shared.sh")
"""Of every script that builds, follows or ends a build: who builds, here and in a shared root."""

_JUPYTER = {"jupyterlab", "ipykernel"}
_PACKAGE = "gpuws.environments"


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
    cards: bool = False  # torch, where it is in it, must see the host's cards
    declared: str = ""  # the hash of the declaration alone, where ``hash`` is of more
    kept: Kept = NOTHING_KEPT  # of the environment before, where it still goes with the file
    lock: Lock | None = None  # then nothing is solved on the host
    offline: bool = False  # the host fetches nothing itself
    sent: Pairs = ()  # (address, file on the host) of the lock's archives that the laptop sent
    mirror: Mirror | None = None
    sources: Pairs = ()  # (channel as it is named, address that it comes from)
    shared: str = ""  # the shared root that the environment lies in; all else lies in ``root``

    @property
    def unit(self) -> str:
        return unit(self.hash)

    @property
    def run(self) -> str:
        return f"{self.run_base}/{self.unit}"

    @property
    def prefix(self) -> str:
        return f"{self.shared or self.root}/envs/{self.hash}"

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
        *FRAGMENTS,
        "packages.sh",
        "finish.sh",
        "kept.sh",
        "seal.sh",
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
    code = lines_on_host(spec.local, order.folder)
    requirements, included = requirement_lines(spec, order.extra, code)
    plain = _yml(order, ())
    return (
        ("order.sh", "600", _settings(order)),
        ("prologue.sh", "600", "".join(line + "\n" for line in order.prologue)),
        ("environment.yml", "600", _yml(order, order.extra if spec.kind == "conda" else ())),
        ("environment-plain.yml", "600", plain),
        ("requirements.txt", "600", as_text(requirements)),
        (
            "requirements-jupyter.txt",
            "600",
            as_text(order.extra) if spec.kind == "conda" else "",
        ),
        *((name, "600", text) for name, text in included),
        ("pip-names", "600", as_text(pip_names(spec, order.extra))),
        ("conda-names", "600", as_text(_conda_names(order))),
        ("imports", "600", as_text(order.check)),
        ("kept-conda", "600", as_text(f"  - {json.dumps(each)}" for each in order.kept.conda)),
        ("kept-pip", "600", as_text(order.kept.pip)),
        ("local-code", "600", as_text(written(spec.local, order.folder))),
        *_locked_files(order, requirements, included, tuple(code.values())),
        ("variables.json", "600", _variables_json(spec.variables)),
        ("variables", "600", _exports(spec.variables)),
        ("check.py", "600", _check()),
    )


def _locked_files(
    order: BuildOrder, requirements: tuple[str, ...], included: Pairs, code: tuple[str, ...]
) -> tuple[File, ...]:
    if order.lock is None:
        return ()
    where = Addresses(order.effective_channels, order.sources, order.sent)
    return locked_files(order.lock, where, requirements, included, code)


def _check() -> str:
    from importlib import resources

    return resources.files(_PACKAGE).joinpath("check.py").read_text(encoding="utf-8")


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
        "cards": "1" if order.cards else "0",
        "channels": "1" if order.effective_channels else "0",
        "closed": _closed(order),
        "terms": "1" if order.accept_terms else "0",
        "locked": "1" if order.lock else "0",
        "declared": order.declared,
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


def _yml(order: BuildOrder, extra: tuple[str, ...]) -> str:
    """Without the pip section and the variables, which build.sh sees to. JSON strings are YAML."""
    lines = ["channels:"] if order.effective_channels else []
    lines += [f"  - {json.dumps(order.source(each))}" for each in order.effective_channels]
    lines.append("dependencies:")
    specs = (*conda_specs(order.spec, order.extra), *extra)
    lines += [f"  - {json.dumps(_from_source(order, spec))}" for spec in specs]
    return "\n".join(lines) + "\n"


def _from_source(order: BuildOrder, spec: str) -> str:
    channel, rest = split_spec(spec)
    return order.source(channel) + rest


def _conda_names(order: BuildOrder) -> tuple[str, ...]:
    if not order.choice.conda:
        return ()
    names = map(_conda_name, conda_specs(order.spec, order.extra))
    return tuple(name for name in names if name)


def _conda_name(text: str) -> str:
    found = _NAME.match(text.strip())
    return found[1].lower() if found else ""
