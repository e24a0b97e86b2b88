"""`gpuws status`: what lives on one host, asked of the host itself."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from gpuws.errors import Exit, GpuwsError
from gpuws.journeys.forwarding import wanted
from gpuws.journeys.idle import idle_seconds
from gpuws.journeys.way import probe_with_tokens
from gpuws.journeys.world import Forwards, World
from gpuws.plan.forwards import told
from gpuws.plan.model import HostFacts, Workspace
from gpuws.plan.nodes import node_of
from gpuws.plan.ports import Host
from gpuws.plan.requests import Reach, StatusRequest
from gpuws.plan.results import HostStatus
from gpuws.records import Records


def run(request: StatusRequest, world: World) -> HostStatus:
    """What the host says; where it cannot be asked, what was last known."""
    try:
        return _asked(request.reach, world)
    except GpuwsError as error:
        if error.exit is not Exit.NETWORK:
            raise
        host = request.reach.host
        return last_known(host, error, world.records, world.now(), world.forwards)


def _asked(reach: Reach, world: World) -> HostStatus:
    """One round trip, then every Jupyter at once. Brings the laptop's address book up to date."""
    outage = world.forwards.outage()
    if outage:
        raise GpuwsError("connection-lost", outage, stage="connect", retryable=True)
    with world.host(reach) as host:
        _refuse_silence(reach, host, world)
        facts, tokens = probe_with_tokens(host, reach)
        idle = idle_seconds(host, facts, tokens)
    _remember(reach, facts, world)
    shown = tuple(_workspace(each, facts, idle, reach, world) for each in _with_builds(facts))
    gpus = tuple(asdict(gpu) for gpu in facts.gpus)
    back = tuple(world.forwards.led_back())
    until = world.kept_until()
    return HostStatus(reach.host, True, gpus=gpus, workspaces=shown, reverse=back, kept_until=until)


def last_known(
    host: str,
    error: GpuwsError,
    records: Records,
    now: float,
    forwards: Forwards | None = None,
) -> HostStatus:
    """From the laptop's address book, with its age."""
    known = records.of(host)
    newest = max((record.seen for record in known), default=0.0)
    shown = tuple(
        {
            "name": each.name,
            "state": each.state,
            "since": 0,
            "environment": {"hash": each.environment},
            "idle_s": None,
            "tunnel": forwards.tunnel(each.name) if forwards else None,
            "forwards": forwards.more(each.name) if forwards else [],
        }
        for each in known
    )
    age = round(now - newest, 1) if newest else None
    back = tuple(forwards.led_back()) if forwards else ()
    return HostStatus(host, False, error.message, workspaces=shown, reverse=back, known_s=age)


def _refuse_silence(reach: Reach, host: Host, world: World) -> None:
    """A keeper's connection may look alive long after the laptop has lost its network."""
    if not reach.timeout or world.clock() - host.last_heard() < 1.0:
        return
    if not host.answers(reach.timeout):
        raise GpuwsError(
            "connection-timeout",
            f"no answer over the open connection in {reach.timeout:.1f} s",
            hint="check the network; --timeout waits longer",
            stage="connect",
            retryable=True,
        )


def _workspace(
    workspace: Workspace, facts: HostFacts, idle: dict[str, int], reach: Reach, world: World
) -> dict[str, Any]:
    environment = workspace.raw.get("environment")
    owner = workspace.raw.get("owner")
    return {
        "name": workspace.name,
        "state": workspace.state,
        "since": workspace.since,
        "environment": environment if isinstance(environment, dict) else {},
        "idle_s": idle.get(workspace.name),
        "tunnel": world.forwards.tunnel(workspace.name),
        "forwards": _forwards(workspace, reach, world),
        "ports": world.forwards.noticed(workspace.name),
        "dir": workspace.get("dir"),
        "owner": owner if isinstance(owner, dict) else {},
        "gpus": workspace.raw.get("gpus"),
        "activate": _activate(workspace, facts),
        "node": facts.node if _is_of(workspace, facts) else node_of(workspace),
        "elsewhere": workspace.elsewhere,
    }


def _is_of(workspace: Workspace, facts: HostFacts) -> bool:
    """Whether it is, or was last, on the machine that was asked."""
    return not workspace.elsewhere and workspace.get("node", facts.node) == facts.node


def _forwards(workspace: Workspace, reach: Reach, world: World) -> list[dict[str, Any]]:
    """Those that are open here, then those that `attach` would open."""
    here = world.forwards.more(workspace.name)
    known = {each["name"] for each in here}
    return here + [told(each) for each in wanted(reach, workspace) if each.name not in known]


def _with_builds(facts: HostFacts) -> list[Workspace]:
    """A workspace whose environment is being built is "building", also before its first start."""
    building = {
        name for build in facts.builds if build.state == "running" for name in build.wanted_by
    }
    known = {each.name: each for each in facts.workspaces}
    for name in building:
        if name not in known or known[name].state not in ("running", "starting"):
            known[name] = replace(known.get(name, Workspace(name, "")), state="building")
    return list(known.values())


def _activate(workspace: Workspace, facts: HostFacts) -> str:
    """The line that activates the environment by hand; by its link where it has one."""
    prefix = workspace.get("prefix")
    if not prefix:
        return ""
    ours = f"{facts.root}/envs/"
    path = ours + workspace.name if prefix.startswith(ours) else prefix
    environment = workspace.raw.get("environment")
    tool = environment.get("tool") if isinstance(environment, dict) else ""
    conda = prefix in facts.environments if tool == "existing" else tool not in ("uv", "venv")
    return f"conda activate {path}" if conda else f"source {path}/bin/activate"


def _remember(reach: Reach, facts: HostFacts, world: World) -> None:
    states = {each.name: each.state for each in facts.workspaces}
    for record in world.records.of(reach.host):
        if record.name in states:
            seen = replace(record, state=states[record.name], seen=world.now())
            world.records.remember(seen)
        else:
            world.records.forget(record.host, record.name)
