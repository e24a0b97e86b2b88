"""What is installed in an environment now, and what was when it was built."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.host.script import fields, script
from gpuws.plan import answers
from gpuws.plan.drift import Package, packages_from
from gpuws.plan.local import as_written
from gpuws.plan.model import Pairs
from gpuws.plan.ports import Host


@dataclass(frozen=True)
class Installed:
    """``then`` is None where nothing was recorded; ``asked``: names that were declared; ``yml``,
    ``pip`` and ``variables``: the lines that it was built from, those that name code of a laptop as
    they were written; ``local``: (name, line) of these."""

    machine: str
    now: tuple[Package, ...]
    then: tuple[Package, ...] | None
    asked: tuple[str, ...]
    yml: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    local: Pairs = ()
    variables: str = ""


def installed(host: Host, *, root: str, prefix: str) -> Installed:
    """One round trip. Raises environment-not-found."""
    program = script("gpuws.environments", "packages.sh", "installed.sh")
    found = fields(host.run(program, root, prefix, timeout=60.0), "environment")
    recorded = answers.yes(found, "recorded")
    there, local = as_written(tuple(found.get("local", ())))
    asked = (*found.get("conda-asked", ()), *found.get("pip-asked", ()))
    return Installed(
        machine=answers.text(answers.one(found, "machine"), 40) or "",
        now=packages_from(found.get("now", ())),
        then=packages_from(found.get("then", ())) if recorded else None,
        asked=tuple(each for each in asked if answers.text(each)),
        yml=tuple(found.get("yml", ())),
        pip=tuple(there.get(line, line) for line in found.get("pip", ())),
        local=local,
        variables="".join(found.get("variables", ())),
    )
