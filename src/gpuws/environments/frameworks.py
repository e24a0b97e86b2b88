"""Whether tensorflow or jax sees the host's cards: asked once of a new environment, and only told.

Both take another's card for none, so nothing can be refused for their answer. torch does not: it is
asked before the environment is complete (check.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from gpuws.host.script import fields, script
from gpuws.plan.checks import MODULES
from gpuws.plan.model import EnvironmentSpec, Gpu
from gpuws.plan.naming import package_name
from gpuws.plan.ports import Host

_PACKAGE = "gpuws.environments"
_ASKED = frozenset({"tensorflow", "jax"})
_WITH_CUDA = {"tensorflow": "tensorflow-gpu", "jax": "jaxlib=*=*cuda*"}
_BY_PIP = {"tensorflow": "tensorflow[and-cuda]", "jax": "jax[cuda12]"}
_WORD = re.compile(r"[0-9A-Za-z.+_-]{0,40}")


@dataclass(frozen=True)
class Framework:
    """``version`` is "" when it could not be imported; ``cuda`` "" for a build without it."""

    name: str
    version: str
    cuda: str
    cards: int


def declared(spec: EnvironmentSpec) -> tuple[str, ...]:
    """Import names of the frameworks that the file asks for."""
    names = map(package_name, (*spec.conda, *spec.pip))
    modules = (MODULES.get(name, "") for name in names)
    return tuple(dict.fromkeys(each for each in modules if each in _ASKED))


def ask(host: Host, prefix: str, names: tuple[str, ...]) -> tuple[Framework, ...]:
    """Imports each one on the host; up to 90 s each."""
    code = resources.files(_PACKAGE).joinpath("ask_framework.py").read_text(encoding="utf-8")
    reply = host.run(script(_PACKAGE, "frameworks.sh"), prefix, code, *names, timeout=300.0)
    return tuple(map(_framework, fields(reply, "environment").get("framework", ())))


def _framework(line: str) -> Framework:
    name, version, cuda, cards = (*line.split("\t"), "", "", "", "")[:4]
    if not (_WORD.fullmatch(version) and _WORD.fullmatch(cuda) and cards.isdigit()):
        return Framework(name, "", "", 0)
    return Framework(name, version, cuda, int(cards))


def verdict(found: Framework, spec: EnvironmentSpec, gpus: tuple[Gpu, ...]) -> tuple[bool, str]:
    """(whether it is a warning, what to say) on a host that has ``gpus``."""
    if not found.version:
        why = f"gpuws exec HOST -- python -c 'import {found.name}'"
        return True, f"{found.name} cannot be imported: `{why}` says why"
    if found.cuda and found.cards:
        return False, f"{found.name} {found.version}, CUDA {found.cuda}: sees {found.cards} card(s)"
    if found.cuda:
        return True, (
            f"{found.name} {found.version} is built for CUDA {found.cuda} and sees none of the "
            f"{len(gpus)} card(s): the driver may be older than that CUDA (nvidia-smi names it)"
        )
    line = next((each for each in (*spec.conda, *spec.pip) if found.name in each), found.name)
    return True, (
        f"{found.name} {found.version} is a CPU build, on a host with {len(gpus)} card(s): "
        f"change the line `{line}` of {spec.source} (conda: `{_WITH_CUDA[found.name]}`; pip: "
        f"`{_BY_PIP[found.name]}`)"
    )
