"""A workspace's environment as text again, from what its build left on the host.

``entry`` is the host's: another laptop may not have the mirror that it names.
"""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments.installed import Installed
from gpuws.plan.dockerfile import Contents, dockerfile
from gpuws.plan.drift import Drift, Package
from gpuws.plan.export import Declared, declared_from, exported, undeclared
from gpuws.plan.inventory import brought
from gpuws.plan.mirrors import as_named, canonical, split_spec
from gpuws.plan.model import HostEntry, Workspace


def declared(workspace: Workspace, found: Installed, entry: HostEntry) -> Declared:
    """What its file asked for, without what gpuws brought beside it, channels by their names."""
    made = declared_from(
        found.yml, found.pip, found.variables, without=brought(workspace), local=found.local
    )
    parts = map(split_spec, made.conda)
    conda = tuple(as_named(channel, entry.mirror) + rest for channel, rest in parts)
    channels = tuple(as_named(each, entry.mirror) for each in made.channels)
    return replace(made, channels=channels, conda=conda)


def as_yml(
    workspace: Workspace,
    found: Installed,
    by_hand: tuple[Package, ...],
    how: str = "pinned",
    *,
    entry: HostEntry,
) -> str:
    return exported(workspace.name, declared(workspace, found, entry), found.now, by_hand, how)


def as_dockerfile(workspace: Workspace, found: Installed, entry: HostEntry) -> str:
    sources = (replace(each, url=canonical(each.url, entry.mirror)) for each in found.sources)
    return dockerfile(
        Contents(
            name=workspace.name,
            machine=found.machine,
            declared=declared(workspace, found, entry),
            now=found.now,
            sources=tuple(sources),
            direct=found.direct,
            python=found.python,
            pip_index=entry.pip_index or "",
        )
    )


def with_changes(workspace: Workspace, found: Installed, moved: Drift, entry: HostEntry) -> str:
    """With the versions that are there, and all that was installed or changed by hand."""
    changed = undeclared(declared(workspace, found, entry), moved)
    return as_yml(workspace, found, changed, entry=entry)
