"""The forwards that were made for a workspace: remembered on the host, for any laptop."""

from __future__ import annotations

from gpuws.host.script import fields, script
from gpuws.plan.forwards import words_of
from gpuws.plan.model import NamedForward
from gpuws.plan.ports import Host

_FRAGMENTS = ("record.sh", "volume.sh", "look.sh", "hold.sh", "folders.sh", "forwards.sh")


def remember(host: Host, *, root: str, name: str, forward: NamedForward) -> None:
    """In the place of one with the same name. Raises forward-exists where there are too many, and
    what keeps a file from being written."""
    _ask(host, root, name, forward.name, words_of(forward))


def forget(host: Host, *, root: str, name: str, forward: str) -> bool:
    """Whether it was remembered."""
    return _ask(host, root, name, forward)


def _ask(host: Host, *args: str) -> bool:
    program = script("gpuws.engines", *_FRAGMENTS)
    return fields(host.run(program, *args), "tunnel").get("known") == ["yes"]
