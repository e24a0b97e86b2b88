"""A workspace's environment as text again, from what its build left on the host."""

from __future__ import annotations

from gpuws.environments.installed import Installed
from gpuws.plan.dockerfile import Contents, dockerfile
from gpuws.plan.drift import Drift, Package
from gpuws.plan.export import Declared, declared_from, exported, undeclared
from gpuws.plan.inventory import brought
from gpuws.plan.model import Workspace


def declared(workspace: Workspace, found: Installed) -> Declared:
    """What its file asked for, without what gpuws brought beside it."""
    return declared_from(found.yml, found.pip, found.variables, without=brought(workspace))


def as_yml(
    workspace: Workspace, found: Installed, by_hand: tuple[Package, ...], how: str = "pinned"
) -> str:
    return exported(workspace.name, declared(workspace, found), found.now, by_hand, how)


def as_dockerfile(workspace: Workspace, found: Installed, pip_index: str) -> str:
    """``pip_index``: of hosts.yaml; "" for none."""
    return dockerfile(
        Contents(
            name=workspace.name,
            machine=found.machine,
            declared=declared(workspace, found),
            now=found.now,
            sources=found.sources,
            direct=found.direct,
            python=found.python,
            pip_index=pip_index,
        )
    )


def with_changes(workspace: Workspace, found: Installed, moved: Drift) -> str:
    """With the versions that are there, and all that was installed or changed by hand."""
    return as_yml(workspace, found, undeclared(declared(workspace, found), moved))
