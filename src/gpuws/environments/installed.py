"""What is installed in an environment now, and what was when it was built."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.host.script import fields, script
from gpuws.plan import answers
from gpuws.plan.changes import Command, Touch, commands_from, touches_from
from gpuws.plan.drift import Package, packages_from
from gpuws.plan.local import as_written
from gpuws.plan.mixes import Bound, bounds_from
from gpuws.plan.model import Pairs
from gpuws.plan.ports import Host
from gpuws.plan.sources import Direct, Source, direct_from, sources_from


@dataclass(frozen=True)
class Installed:
    """``then`` is None where nothing was recorded; ``asked``: names that were declared; ``yml``,
    ``pip`` and ``variables``: the lines that it was built from, those that name code of a laptop as
    they were written; ``local``: (name, line) of these; ``python``: the version of a virtual
    environment's; ``declared``: the hash of the declaration alone, where the environment's own is
    of more. The last ones only where changes or sources were asked for."""

    machine: str
    now: tuple[Package, ...]
    then: tuple[Package, ...] | None
    asked: tuple[str, ...]
    yml: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    local: Pairs = ()
    variables: str = ""
    python: str = ""
    declared: str = ""
    bounds: tuple[Bound, ...] = ()
    touched: tuple[Touch, ...] = ()
    commands: tuple[Command, ...] = ()
    sources: tuple[Source, ...] = ()
    direct: tuple[Direct, ...] = ()


def installed(
    host: Host, *, root: str, prefix: str, also: str = "", timeout: float = 60.0
) -> Installed:
    """One round trip of ``timeout`` seconds at most. ``also``: changes or sources.
    Raises environment-not-found."""
    parts = ("packages.sh", "changes.sh", "sources.sh", "installed.sh")
    program = script("gpuws.environments", *parts)
    found = fields(host.run(program, root, prefix, also, timeout=timeout), "environment")
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
        python=answers.text(answers.one(found, "python"), 40) or "",
        declared=answers.text(answers.json_object(answers.one(found, "marker")).get("declared"), 16)
        or "",
        bounds=bounds_from(found.get("bound", ())),
        touched=touches_from(found.get("touched", ())),
        commands=commands_from(found.get("command", ())),
        sources=sources_from(found.get("source", ())),
        direct=direct_from(found.get("direct", ())),
    )
