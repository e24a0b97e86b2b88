"""Where an environment that was locked lies: in one's own root, or in the one of a group. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, HostEntry, HostFacts, SharedRoot
from gpuws.plan.naming import public

_UNSAFE = {
    "link": "is a link, which somebody could turn",
    "file": "is a file",
    "open": "can be written by everybody on the host",
    "closed": "is no folder of a group: its group may not write, or new files do not become its",
    "outsider": "belongs to {owner}, who is not in its group {group}",
    "exposed": "lies in a folder that others than its group may change",
    "planted": "has an envs or a builds that is a link, or not its group's",
}


@dataclass(frozen=True)
class Place:
    """``root``: where envs/<hash> is or will be; ``shared``: that is the group's. ``notes``: why
    it is not the group's although the user asked for that."""

    root: str
    build: bool
    shared: bool = False
    notes: tuple[str, ...] = ()


def place_of(digest: str, facts: HostFacts, entry: HostEntry, spec: EnvironmentSpec) -> Place:
    """One's own that is there is taken first: it cannot be anybody else's. Then the group's.

    Raises no-shared-root, shared-root-unsafe with the commands that make it right.
    """
    if any(each.hash == digest for each in facts.prefixes):
        return Place(facts.root, build=False)
    if facts.shared is None:
        return Place(facts.root, build=True)
    refuse_unsafe(facts.shared)
    there = next((each for each in facts.shared.prefixes if each.hash == digest), None)
    if there and not there.fault:
        whose = f"{facts.shared.path}/envs/{digest} is shared; {there.owner} built it"
        return Place(facts.shared.path, build=False, shared=True, notes=(whose,))
    why = there.fault if there else _why_not(facts.shared, facts.user, entry, spec)
    if why:
        told = f"not shared in {facts.shared.path} but built in {facts.root}: {why}"
        return Place(facts.root, build=True, notes=(told,))
    return Place(facts.shared.path, build=True, shared=True)


def refuse_unsafe(shared: SharedRoot) -> None:
    """What can be no place for code that others run."""
    if shared.state == "absent":
        raise GpuwsError(
            "no-shared-root",
            f"shared_root: {shared.path} does not exist on the host",
            hint=f"somebody who may makes it once, for the members of a GROUP:\n{made(shared)}",
            stage="probe",
        )
    if shared.state in _UNSAFE:
        fault = _UNSAFE[shared.state].format(owner=shared.owner, group=shared.group)
        raise GpuwsError(
            "shared-root-unsafe",
            f"shared_root: {shared.path} {fault}",
            hint=f"`ls -ld {shared.path}` on the host shows it; this makes one:\n{made(shared)}",
            stage="probe",
        )


def made(shared: SharedRoot) -> str:
    """The commands that make such a folder."""
    path = shared.path
    return (
        f"  mkdir {path} && chgrp GROUP {path} && chmod 2770 {path}\n"
        "2775 instead lets everybody use, not build; the folders above must be root's or a member's"
    )


def _why_not(shared: SharedRoot, user: str, entry: HostEntry, spec: EnvironmentSpec) -> str:
    if shared.state == "silent":
        return "the host's file server gives no answer there"
    if not shared.writable:
        return f"{user} may not write there (`id` on the host says whether you are in its group)"
    if spec.local:
        return "code of this laptop is part of it"
    if _secret([*entry.channels, *spec.channels, entry.pip_index or "", *spec.pip]):
        return "an address in it has a password, which the group could read in the environment"
    return ""


def _secret(texts: Iterable[str]) -> bool:
    return any(public(each) != each.strip() for each in texts)
