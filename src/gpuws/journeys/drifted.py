"""An environment that was changed by hand is not what its declaration says any more."""

from __future__ import annotations

from gpuws.environments.installed import installed
from gpuws.errors import GpuwsError
from gpuws.plan.decide import UpPlan
from gpuws.plan.drift import drift
from gpuws.plan.inventory import earlier
from gpuws.plan.ports import Host
from gpuws.plan.requests import UpRequest


def refuse(request: UpRequest, plan: UpPlan, host: Host) -> None:
    """It is never given to another workspace; to the one that lives in it, and may have changed
    it, it is. One round trip, and only where a workspace comes to an environment that is there.

    Raises GpuwsError: ``environment-drifted``.
    """
    environment = plan.environment
    if environment.use_env or plan.session == "keep" or _own(plan):
        return
    found = installed(host, root=plan.root, prefix=environment.prefix)
    moved = drift(found.then, found.now) if found.then is not None else None
    if not moved:
        return
    changes = [
        *(f"+ {each.words}" for each in moved.added),
        *(f"- {each.words}" for each in moved.removed),
        *(f"~ {new.words}" for _, new in moved.changed),
        *moved.overwritten,
    ]
    name = request.reach.host
    raise GpuwsError(
        "environment-drifted",
        f"the environment {environment.hash} that the file declares is there, but was changed by "
        f"hand since it was built: {', '.join(changes[:5])}{' …' if len(changes) > 5 else ''}",
        hint=(
            f"`gpuws env list {name}` says whose it is, `gpuws env export` there writes the change "
            f"into a file; `gpuws env remove {name} {environment.hash}` lets `up` build it anew; "
            f"`gpuws up {name} --use-env {environment.prefix}` takes it as it is"
        ),
        stage="environment",
    )


def _own(plan: UpPlan) -> bool:
    """The workspace is in it, or was before."""
    known = plan.existing
    if known is None:
        return False
    here = known.get("prefix") == plan.environment.prefix
    return here or plan.environment.hash in earlier(known)
