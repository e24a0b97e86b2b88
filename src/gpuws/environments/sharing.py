"""An environment of a group that somebody else builds, or that cannot lie with the group."""

from __future__ import annotations

from dataclasses import replace

from gpuws.environments.following import Answers, follow, last
from gpuws.environments.order import BuildOrder
from gpuws.environments.progress import plain
from gpuws.plan.ports import Host, Progress, Script

ELSEWHERE = frozenset({"theirs", "unshared"})
"""Answers of start.sh after which it is asked again."""


def order_after(
    host: Host,
    order: BuildOrder,
    found: Answers,
    progress: Progress,
    follower: Script,
    *,
    patient: bool,
) -> BuildOrder:
    """What to ask for next: the same once the other's build has ended, whatever became of it, or
    one's own. Not ``patient``: others have had their turns."""
    why = "the builds of others there do not come to an end"
    if last(found, "state") == "unshared":
        why = plain(last(found, "why"))
    elif patient:
        who = plain(last(found, "owner")) or "somebody"
        progress.note(f"{who} is building this environment in {order.shared}: waiting for it")
        ended = follow(host, follower, order, progress, shared=order.shared)
        if last(ended, "state") != "done":
            progress.note(f"the build of {who} did not come to its end")
        return order
    progress.note(f"not shared in {order.shared} but built in {order.root}: {why}")
    return replace(order, shared="")


def shared_lines(order: BuildOrder) -> tuple[str, ...]:
    """What a build makes in a shared root beside the environment."""
    if not order.shared:
        return ()
    common = f"{order.shared}/builds/{order.hash}"
    return (f"{common}/lock.1", f"{common}/desk.1/ (the log, for those who wait)")
