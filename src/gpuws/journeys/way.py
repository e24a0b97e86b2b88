"""The steps that several verbs share: probe the host, choose the workspace, open the way."""

from __future__ import annotations

from typing import Any

from gpuws.engines.session import Look, look, tokens_from
from gpuws.errors import GpuwsError
from gpuws.host.probing import probe_script
from gpuws.host.script import fields
from gpuws.host.ways import ports_allowed, ways
from gpuws.journeys.opening import Opening, continued
from gpuws.journeys.world import Stopwatch, World
from gpuws.plan.facts import facts_from
from gpuws.plan.forwards import JUPYTER
from gpuws.plan.model import HostFacts, Secret, Workspace
from gpuws.plan.ports import Host
from gpuws.plan.requests import Reach
from gpuws.plan.results import Ready
from gpuws.plan.way import shut
from gpuws.records import Record

ALIVE = frozenset({"running", "starting"})


def probe(host: Host, reach: Reach) -> HostFacts:
    """One round trip that asks everything."""
    return facts_from(_probed(host, reach))


def probe_with_tokens(host: Host, reach: Reach) -> tuple[HostFacts, dict[str, Secret]]:
    """The same with what Jupyter wants to be asked with, by workspace."""
    answers = _probed(host, reach, "1")
    return facts_from(answers), tokens_from(answers)


def _probed(host: Host, reach: Reach, tokens: str = "0") -> dict[str, list[str]]:
    entry = reach.entry
    login = "1" if entry.login_env else "0"
    asked = (entry.root or "", "\n".join(entry.prologue), login, tokens, entry.shared_root or "")
    plain = not entry.prologue  # a person's own lines may hold a secret
    return fields(host.run(probe_script(), *asked, timeout=60.0, in_sight=plain), "probe")


def find(host: Host, reach: Reach, name: str | None) -> tuple[Look, Workspace]:
    """The workspace that is meant: the named one, else the only one that could be."""
    seen = look(host, root=reach.entry.root or "", name=name or "")
    return seen, among(seen, reach.host, name)


def among(seen: Look, host: str, name: str | None) -> Workspace:
    """The same of those that were seen."""
    known = {each.name: each for each in seen.workspaces}
    if name:
        if name not in known:
            raise _not_there(host, name, tuple(known))
        return known[name]
    alive = [each for each in seen.workspaces if each.state in ALIVE]
    only = alive or list(seen.workspaces)
    if len(only) == 1:
        return only[0]
    if not only:
        raise GpuwsError(
            "no-workspace",
            f"{host} has no workspace under {seen.root}",
            hint=f"`gpuws up {host}` makes one",
        )
    raise GpuwsError(
        "several-workspaces",
        f"{host} has several workspaces: " + ", ".join(f"{host}/{each.name}" for each in only),
        hint=f"name one, for example {host}/{only[0].name}",
    )


def _not_there(host: str, name: str, known: tuple[str, ...]) -> GpuwsError:
    hint = f"`gpuws up {host} --name {name}` makes it"
    if known:
        hint = f"there: {', '.join(f'{host}/{each}' for each in known)}; {hint}"
    return GpuwsError("workspace-not-found", f"{host} has no workspace named {name}", hint=hint)


def open_way(
    world: World,
    host: Host,
    reach: Reach,
    workspace: Workspace,
    token: Secret,
    *,
    port: int | None,
    watch: Stopwatch,
    early: Opening | None = None,
) -> int:
    """Check through a channel that it is our Jupyter, then listen locally. The local port.

    ``early``: an opening that was begun before the host said where Jupyter is.
    """
    world.report.stage("tunnel")
    if workspace.target is None:
        raise no_jupyter(reach.host, workspace.name)
    opening = continued(early, host, workspace, token)
    instance = workspace.get("instance")
    wanted = _wanted(world, reach, workspace)
    was_open = world.forwards.port(workspace.name)
    try:
        opening.is_ours(instance)
        local = world.forwards.open(
            workspace.name, workspace.target, port=port, wanted=wanted, ahead=opening.hand_over()
        )
        try:
            opening.knock().takes(token.reveal(), instance)
        except GpuwsError:
            if was_open is None:
                world.forwards.close(workspace.name, JUPYTER)
            raise
    except GpuwsError as error:
        if host.alive():
            raise _shut(error, host, reach, workspace) from None
        raise GpuwsError(
            "connection-lost",
            f"the connection to {reach.host} was cut; Jupyter goes on there",
            hint=f"`gpuws attach {reach.host}/{workspace.name}` opens the way again",
            stage="tunnel",
            retryable=True,
        ) from None
    finally:
        opening.end()
    watch.lap("tunnel_s")
    remember(world, reach, workspace, local_port=local)
    return local


def _shut(error: GpuwsError, host: Host, reach: Reach, workspace: Workspace) -> GpuwsError:
    """The same, or that the server's rules have changed since Jupyter was started: asked only
    then, so that a way that is open costs nothing more."""
    if error.code not in ("forwarding-refused", "tunnel-failed") or workspace.target is None:
        return error
    socket = bool(workspace.target.socket)
    certain = error.code == "forwarding-refused" and not socket  # of that port, at least
    found = ways(host, not certain and ports_allowed(host))
    return shut(found, f"{reach.host}/{workspace.name}", socket=socket) or error


def no_jupyter(host: str, name: str) -> GpuwsError:
    return GpuwsError(
        "not-running",
        f"{host}/{name} has no Jupyter to forward to",
        hint=f"`gpuws shell {host}/{name}` opens a terminal in it",
    )


def _wanted(world: World, reach: Reach, workspace: Workspace) -> int:
    known = [r for r in world.records.of(reach.host) if r.name == workspace.name]
    if known and known[0].local_port:
        return known[0].local_port
    kept = workspace.raw.get("local_port")
    return kept if isinstance(kept, int) and 1024 <= kept <= 65535 else 8888


def remember(world: World, reach: Reach, workspace: Workspace, *, local_port: int = 0) -> None:
    """Into the laptop's address book."""
    now = world.now()
    world.records.remember(
        Record(
            host=reach.host,
            name=workspace.name,
            local_port=local_port,
            base_url=workspace.get("base_url"),
            socket=workspace.target.socket if workspace.target else "",
            root=reach.entry.root or "",
            ssh_config=reach.ssh_config,
            port=reach.port,
            state=workspace.state,
            environment=_environment_of(workspace).get("hash", ""),
            seen=now,
            used=now,
        )
    )


def _environment_of(workspace: Workspace) -> dict[str, str]:
    found = workspace.raw.get("environment")
    return {k: str(v) for k, v in found.items() if v is not None} if isinstance(found, dict) else {}


def url_of(workspace: Workspace, local_port: int) -> str:
    """Without the token."""
    return f"http://127.0.0.1:{local_port}{workspace.get('base_url') or '/'}lab"


def ready(
    reach: Reach,
    workspace: Workspace,
    local_port: int,
    action: str,
    watch: Stopwatch,
    round_trips: int,
    notes: tuple[str, ...] = (),
    forwards: tuple[dict[str, Any], ...] = (),
) -> Ready:
    environment = _environment_of(workspace)
    gpus = workspace.raw.get("gpus")
    return Ready(
        workspace=f"{reach.host}/{workspace.name}",
        host=reach.host,
        name=workspace.name,
        url=url_of(workspace, local_port) if local_port else "",
        local_port=local_port,
        session={
            "engine": workspace.get("engine"),
            "name": workspace.name,
            "state": workspace.state,
        },
        environment={
            "tool": environment.get("tool", ""),
            "hash": environment.get("hash", ""),
            "prefix": workspace.get("prefix"),
            "action": action,
        },
        gpus=tuple(g for g in gpus if isinstance(g, int)) if isinstance(gpus, list) else None,
        timings=watch.total(),
        round_trips=round_trips,
        dir=workspace.get("dir"),
        notes=notes,
        forwards=forwards,
    )
