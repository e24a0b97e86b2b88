"""`gpuws down`: stop, clean up, and prove that nothing is left."""

from __future__ import annotations

from gpuws.engines.ending import holdings, purge, stop, strays
from gpuws.engines.engine import engine_named
from gpuws.engines.session import Look, look
from gpuws.environments.build import cancel, running
from gpuws.errors import Exit, GpuwsError
from gpuws.journeys import snapshot
from gpuws.journeys.env_remove import give_up
from gpuws.journeys.way import ALIVE
from gpuws.journeys.world import World
from gpuws.plan.model import Secret, Target, Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import Caller, DownRequest, Reach
from gpuws.plan.results import Downed
from gpuws.tunnel.http import Kernel, busy_kernels


def run(request: DownRequest, world: World) -> Downed:
    """Idempotent: a second down finds nothing to stop and says so."""
    world.report.stage("connect", request.reach.destination)
    try:
        return _reached(request, world)
    except GpuwsError as error:
        if error.exit is not Exit.NETWORK:
            raise
        raise _unreached(request, world, error) from None


def _unreached(request: DownRequest, world: World, error: GpuwsError) -> GpuwsError:
    """The local side ends all the same; the address book says what goes on over there."""
    host = request.reach.host
    known = [each for each in world.records.of(host) if request.name in (None, each.name)]
    for each in known:
        world.forwards.close(each.name)
    alive = [f"{host}/{each.name}" for each in known if each.state in ALIVE]
    still = f"; as far as this laptop knows, {', '.join(alive)} still runs there" if alive else ""
    return GpuwsError(
        error.code,
        f"{error.message}{still}",
        hint=f"the tunnel here is closed; `gpuws down {host}` again once the host answers"
        if alive
        else error.hint,
        stage=error.stage,
        retryable=True,
    )


def _reached(request: DownRequest, world: World) -> Downed:
    reach = request.reach
    with world.host(reach) as host:
        seen = look(host, root=reach.entry.root or "", name="")
        parts = [_end_builds(request, seen, host, world)]
        chosen = _choose(request, seen)
        parts += [_down(request, each, seen, host, world) for each in chosen]
        if request.rm_env:
            parts.append(_give_up(chosen, seen, host))
        if request.all and request.purge:
            parts.append(_purge(request, seen, host, world))
    return _joined(parts)


def _joined(parts: list[Downed]) -> Downed:
    """What a later step removed, or kept for a reason, was not simply kept."""
    removed = tuple(path for part in parts for path in part.removed)
    kept = tuple(dict.fromkeys(path for part in parts for path in part.kept))
    told = {*removed, *(each.partition(": ")[0] for each in kept if ": " in each)}
    return Downed(
        stopped=tuple(name for part in parts for name in part.stopped),
        removed=removed,
        left=tuple(item for part in parts for item in part.left),
        kept=tuple(path for path in kept if path not in told),
        snapshots=tuple(each for part in parts for each in part.snapshots),
    )


def _give_up(ended: tuple[Workspace, ...], seen: Look, host: Host) -> Downed:
    """The environments, once all that is to end has ended: they may have shared one."""
    try:
        done = give_up(ended, host, seen.root)
    except GpuwsError as error:
        if error.code != "not-ours":
            raise
        return Downed((), (), (), (f"{seen.root}/envs: {error.message}",))
    kept = tuple(f"{seen.root}/envs/{digest}: {why}" for digest, why in done.kept)
    return Downed((), done.removed, done.left, kept)


def _end_builds(request: DownRequest, seen: Look, host: Host, world: World) -> Downed:
    """A build that nobody else waits for ends with the workspace that asked for it."""
    ended: list[str] = []
    removed: list[str] = []
    kept: list[str] = []
    for build in running(host, seen.root):
        mine = request.all or request.name in (None, *build.wanted_by)
        others = [each for each in build.wanted_by if each != request.name]
        if not mine:
            continue
        if others and not request.all and request.name:
            kept.append(f"the build of {build.hash}: {', '.join(others)} waits for it too")
            continue
        world.report.stage("environment", f"ending the build of {build.hash}")
        removed += cancel(host, seen.root, build.hash, engine_named(build.engine))
        ended.append(f"the build of {build.hash}")
    return Downed(tuple(ended), tuple(removed), (), tuple(kept))


def _purge(request: DownRequest, seen: Look, host: Host, world: World) -> Downed:
    """Everything that gpuws ever put on the host, listed with sizes before the question."""
    found = holdings(host, root=seen.root)
    if not found:
        return Downed((), (), ())
    for each in found:
        size = f"{each.kb / 1000:.1f} MB" if each.kb >= 0 else "size unknown"
        world.report.note(f"{each.path}: {size}")
    question = f"remove all of it from {request.reach.host}, projects included?"
    if not request.yes and not world.ask.confirm(question, flag="--yes"):
        raise GpuwsError("interrupted", "nothing was removed; the sessions were stopped")
    gone = purge(host, root=seen.root)
    return Downed((), gone.removed, gone.left, gone.kept)


def _choose(request: DownRequest, seen: Look) -> tuple[Workspace, ...]:
    known = seen.workspaces
    if request.all:
        return known
    if request.name:
        return tuple(each for each in known if each.name == request.name)
    alive = [each for each in known if each.state in ALIVE]
    if len(alive) > 1:
        names = ", ".join(f"{request.reach.host}/{each.name}" for each in alive)
        raise GpuwsError(
            "several-workspaces",
            f"{request.reach.host} has several workspaces: {names}",
            hint=f"name one, or `gpuws down {request.reach.host} --all`",
        )
    return tuple(alive) or (known if len(known) == 1 else ())


def _down(
    request: DownRequest, workspace: Workspace, seen: Look, host: Host, world: World
) -> Downed:
    _ask_about_others(request, workspace, world)
    if request.purge and not request.all:
        question = f"remove {workspace.name} with its project folder {workspace.get('dir')}?"
        if not request.yes and not world.ask.confirm(question, flag="--yes"):
            raise GpuwsError("interrupted", "nothing was removed")
    token = seen.tokens.get(workspace.name, Secret(""))
    _ask_about_kernels(request.reach, workspace, token, host, world, yes=request.yes)
    keep = request.keep_running or _ask_about_strays(request, workspace, seen, host, world)
    snapshots = snapshot.offer(request, workspace, seen, host, world)
    world.report.stage("session", f"stopping {workspace.name}")
    stopped = stop(
        host,
        root=seen.root,
        name=workspace.name,
        keep_running=keep,
        purge=request.purge,
    )
    world.forwards.close(workspace.name)
    world.records.forget(request.reach.host, workspace.name)
    return Downed(
        stopped=(workspace.name,) if stopped.stopped else (),
        removed=stopped.removed,
        left=stopped.left,
        kept=stopped.kept,
        snapshots=snapshots,
    )


def stop_one(reach: Reach, workspace: Workspace, host: Host, world: World, *, yes: bool) -> None:
    """For `up --restart`: stop the session, keep everything else."""
    seen = look(host, root=reach.entry.root or "", name=workspace.name)
    token = seen.tokens.get(workspace.name, Secret(""))
    _ask_about_kernels(reach, workspace, token, host, world, yes=yes)
    stop(host, root=seen.root, name=workspace.name)


def _ask_about_others(request: DownRequest, workspace: Workspace, world: World) -> None:
    """On an account that several people share, another's workspace is asked for even with --all."""
    owner = workspace.raw.get("owner")
    if not isinstance(owner, dict) or _same(owner, request.caller):
        return
    whose = f"{owner.get('person')} on {owner.get('laptop')}"
    question = f"{workspace.name} belongs to {whose}; stop it?"
    if not world.ask.confirm(question, flag=f"`gpuws down {request.reach.host}/{workspace.name}`"):
        raise GpuwsError("not-ours", f"{workspace.name} belongs to {whose}; it was left running")


def _same(owner: dict[str, object], caller: Caller) -> bool:
    return owner.get("person") == caller.person


def _ask_about_kernels(
    reach: Reach, workspace: Workspace, token: Secret, host: Host, world: World, *, yes: bool
) -> None:
    if yes or workspace.target is None or workspace.state != "running":
        return
    busy = _busy(workspace, workspace.target, token, host, world)
    if not busy:
        return
    question = f"{len(busy)} kernel(s) of {reach.host}/{workspace.name} are busy; stop them?"
    if not world.ask.confirm(question, flag="--yes"):
        raise GpuwsError(
            "kernels-busy",
            f"{len(busy)} kernel(s) of {reach.host}/{workspace.name} are busy",
            hint=f"`gpuws down {reach.host}/{workspace.name} --yes` stops them",
        )


def _busy(
    workspace: Workspace, target: Target, token: Secret, host: Host, world: World
) -> tuple[Kernel, ...]:
    """A Jupyter that hangs cannot be asked, and must not keep anybody from stopping it."""
    try:
        stream = host.open_stream(target)
    except GpuwsError as error:
        world.report.warn(f"Jupyter of {workspace.name} cannot be reached: {error.message}")
        return ()
    try:
        return busy_kernels(stream, workspace.get("base_url"), token.reveal())
    except GpuwsError as error:
        world.report.warn(f"its kernels cannot be asked: {error.message}")
        return ()
    finally:
        stream.close()


def _ask_about_strays(
    request: DownRequest, workspace: Workspace, seen: Look, host: Host, world: World
) -> bool:
    """Whether processes that were started from the workspace's terminals stay."""
    if request.yes or workspace.state not in ALIVE:
        return False
    found = strays(host, root=seen.root, name=workspace.name)
    if not found:
        return False
    listed = "; ".join(f"{each.pid} {each.command}" for each in found[:10])
    question = f"started from {workspace.name}'s terminals and still running: {listed}. End them?"
    return not world.ask.confirm(question, flag="--yes or --keep-running")
