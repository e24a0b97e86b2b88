"""What environments a host has, and the removal of those that nobody uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuws.environments.order import FRAGMENTS
from gpuws.host.script import fields, script
from gpuws.plan.answers import clean
from gpuws.plan.inventory import Environment, inventory_from
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host

_PACKAGE = "gpuws.environments"
_STAGE = "environment"


@dataclass(frozen=True)
class Removed:
    """``kept``: (hash, why). ``left``: what could not be removed."""

    removed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...] = ()
    left: tuple[str, ...] = ()


def inventory(
    host: Host, *, root: str, workspaces: Sequence[Workspace], shared: str = ""
) -> tuple[Environment, ...]:
    """Every environment that gpuws made under a root, and those in the root of a group; one round
    trip."""
    program = script(_PACKAGE, *FRAGMENTS, "users.sh", "inventory.sh")
    answers = fields(host.run(program, root, shared, timeout=120.0), _STAGE)
    return inventory_from(answers, root, workspaces, shared)


def remove(
    host: Host,
    *,
    root: str,
    hashes: Sequence[str],
    shared: str = "",
    leaving: Sequence[str] = (),
) -> Removed:
    """Those of one's own root, or of the ``shared`` one. Whatever somebody uses by then, as far as
    one can see, is kept. Safe to repeat, and to cut. ``leaving``: workspaces that have ended and
    give theirs up."""
    if not hashes:
        return Removed(())
    program = script(_PACKAGE, *FRAGMENTS, "users.sh", "remove.sh")
    asked = (root, shared, " ".join(leaving), *hashes)
    answers = fields(host.run(program, *asked, timeout=600.0), _STAGE)
    kept = [each.partition("\t") for each in answers.get("kept", ())]
    return Removed(
        removed=tuple(clean(each, 400) for each in answers.get("removed", ())),
        kept=tuple((clean(digest, 64), clean(why, 200)) for digest, _, why in kept),
        left=tuple(clean(each, 400) for each in answers.get("left", ())),
    )
