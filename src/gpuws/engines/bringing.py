"""A tmux of our own, for a host that has none to use: what becomes of an attempt to bring one."""

from __future__ import annotations

from gpuws.host.sanitise import one_line
from gpuws.host.script import fields, script
from gpuws.plan.model import Tool
from gpuws.plan.ports import Host

_PACKAGE = "gpuws.engines.tmux"


def place(host: Host, root: str, digest: str) -> Tool:
    """The tmux of a complete environment becomes the one that sessions of this host run in.

    Raises unsupported-platform where it does not run there, not-ours, no-root-folder.
    """
    answers = fields(host.run(script(_PACKAGE, "place.sh"), root, digest), "tmux")
    return Tool("tmux", answers["path"][0], one_line(answers["version"][0], 40))


def missed(host: Host, root: str, reason: str) -> None:
    """For a day no `up` tries again: on a host without a way out that would take minutes."""
    fields(host.run(script(_PACKAGE, "miss.sh"), root, one_line(reason, 300)), "tmux")
