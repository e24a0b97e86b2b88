"""A workspace's environment as text again, from what its build left on the host."""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments.installed import Installed
from gpuws.plan.drift import Drift, Package
from gpuws.plan.export import Declared, declared_from, exported, undeclared
from gpuws.plan.inventory import brought
from gpuws.plan.mirrors import as_named, split_spec
from gpuws.plan.model import Mirror, Workspace


def declared(workspace: Workspace, found: Installed, mirror: Mirror | None) -> Declared:
    """What its file asked for, without what gpuws brought beside it, and without the mirror that
    the build was made through, which another laptop may not have."""
    made = declared_from(found.yml, found.pip, found.variables, without=brought(workspace))
    parts = map(split_spec, made.conda)
    conda = tuple(as_named(channel, mirror) + rest for channel, rest in parts)
    channels = tuple(as_named(each, mirror) for each in made.channels)
    return replace(made, channels=channels, conda=conda)


def as_yml(
    workspace: Workspace,
    found: Installed,
    by_hand: tuple[Package, ...],
    how: str = "pinned",
    *,
    mirror: Mirror | None,
) -> str:
    return exported(workspace.name, declared(workspace, found, mirror), found.now, by_hand, how)


def with_changes(
    workspace: Workspace, found: Installed, moved: Drift, mirror: Mirror | None
) -> str:
    """With the versions that are there, and all that was installed or changed by hand."""
    changed = undeclared(declared(workspace, found, mirror), moved)
    return as_yml(workspace, found, changed, mirror=mirror)
