"""`gpuws env gc` and `gpuws env remove`: environments that nobody uses give their space back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gpuws.engines.session import look
from gpuws.environments.archives import home as archives_home
from gpuws.environments.inventory import Removed, inventory, remove
from gpuws.environments.spare import Spare, on_host, on_laptop
from gpuws.errors import GpuwsError
from gpuws.journeys.world import World
from gpuws.plan.inventory import Environment, garbage, hash_of, meant, size
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import RemoveEnvironmentsRequest
from gpuws.plan.results import EnvironmentsRemoved


def run(request: RemoveEnvironmentsRequest, world: World) -> EnvironmentsRemoved:
    """Nothing is removed that a workspace, running or not, or a process uses, nor what gpuws did
    not make. Raises environment-in-use for a named one that is used."""
    reach = request.reach
    with world.host(reach) as host:
        seen = look(host, root=reach.entry.root or "")
        shared = reach.entry.shared_root or ""
        found = inventory(host, root=seen.root, workspaces=seen.workspaces, shared=shared)
        chosen = _chosen(request, found)
        _tell_of_shared(request, found, chosen, world)
        for each in chosen:
            world.report.note(f"{each.hash}  {size(each.kb)}")
        leaving = [each.hash for each in chosen]
        spare = () if request.words else _spare(host, seen.root, leaving, world)
        if request.dry_run or not (chosen or spare):
            return _spared(chosen, spare)
        _ask(request, chosen, spare, world)
        done = _remove(host, seen.root, shared, chosen)
        spare = _spare(host, seen.root, (), world, remove=True) if spare else ()
    gone = sum(each.kb for each in chosen if each.prefix in done.removed)
    kept = tuple(f"{digest}: {why}" for digest, why in done.kept)
    more = sum(each.kb for each in spare)
    return EnvironmentsRemoved(
        done.removed, kept + done.left, (), gone + more, tuple(map(asdict, spare))
    )


def _spared(chosen: tuple[Environment, ...], spare: tuple[Spare, ...]) -> EnvironmentsRemoved:
    kb = sum(each.kb for each in chosen) + sum(each.kb for each in spare)
    would = tuple(each.prefix for each in chosen)
    return EnvironmentsRemoved((), (), would, kb, tuple(map(asdict, spare)), dry_run=True)


def _spare(
    host: Host, root: str, leaving: Sequence[str], world: World, *, remove: bool = False
) -> tuple[Spare, ...]:
    """Of gpuws's own cache of archives, there and here."""
    there = on_host(host, root=root, leaving=leaving, remove=remove)
    here = on_laptop(archives_home(), world.now(), remove=remove)
    return tuple(each for each in (there, here) if each.count)


def give_up(ended: Sequence[Workspace], host: Host, root: str) -> Removed:
    """For `down --rm-env`: the environments of workspaces that have ended, by the same rules."""
    hashes = [hash_of(each.get("prefix"), root) for each in ended]
    ours = tuple(dict.fromkeys(each for each in hashes if each))
    return remove(host, root=root, hashes=ours, leaving=[each.name for each in ended])


def _remove(host: Host, root: str, shared: str, chosen: tuple[Environment, ...]) -> Removed:
    """First one's own, then those of the group."""
    own = remove(host, root=root, hashes=[each.hash for each in chosen if not each.shared])
    theirs = [each.hash for each in chosen if each.shared]
    more = remove(host, root=root, hashes=theirs, shared=shared)
    return Removed(own.removed + more.removed, own.kept + more.kept, own.left + more.left)


def _tell_of_shared(
    request: RemoveEnvironmentsRequest,
    found: tuple[Environment, ...],
    chosen: tuple[Environment, ...],
    world: World,
) -> None:
    """What cannot be seen of them: the workspaces of others, and without root their processes."""
    if any(each.shared for each in chosen):
        world.report.warn("who else of the group uses a shared environment cannot be seen")
    left = sum(each.shared for each in found)
    if left and not request.words:
        world.report.note(
            f"{left} shared environment(s) stay: who else of the group uses them cannot be seen; "
            f"`gpuws env remove {request.reach.host} HASH` removes one that you built"
        )


def _chosen(
    request: RemoveEnvironmentsRequest, found: tuple[Environment, ...]
) -> tuple[Environment, ...]:
    if not request.words:
        return garbage(found, earlier=request.earlier)
    chosen = tuple(dict.fromkeys(meant(found, word) for word in request.words))
    for each in chosen:
        if each.wanted:
            raise _in_use(each, request.reach.host)
    return chosen


def _in_use(each: Environment, host: str) -> GpuwsError:
    if each.state == "building":
        who, way = "is being built", f"`gpuws down {host}` ends the build"
    elif each.used_by:
        who = f"is used by {', '.join(f'{host}/{name}' for name in each.used_by)}"
        way = f"`gpuws down {host}/{each.used_by[0]} --rm-env` ends that and removes it"
    elif each.tools:
        who = f"holds gpuws's own {', '.join(each.tools)}"
        way = f"`gpuws down {host} --all --purge` removes everything"
    else:
        who = f"is used by the processes {', '.join(map(str, each.processes))}"
        way = f"`ps -fp {each.processes[0]}` on the host says what they are"
    message = f"the environment {each.hash} {who}"
    return GpuwsError("environment-in-use", message, hint=way, stage="environment")


def _ask(
    request: RemoveEnvironmentsRequest,
    chosen: tuple[Environment, ...],
    spare: tuple[Spare, ...],
    world: World,
) -> None:
    host = request.reach.host
    kb = size(sum(each.kb for each in chosen))
    number = f"{len(chosen)} environment{'s' if len(chosen) > 1 else ''}"
    what = [f"{number} ({kb}) from {host}"] if chosen else []
    for each in spare:
        where = "this laptop" if each.place == "laptop" else host
        what.append(f"{each.count} unused archives ({size(each.kb)}) from {where}")
    question = f"remove {', '.join(what)}?"
    if not request.yes and not world.ask.confirm(question, flag="--yes"):
        raise GpuwsError("interrupted", "nothing was removed")
