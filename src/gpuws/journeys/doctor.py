"""`gpuws doctor HOST`: what is wrong with a host, or could be better. Nothing is written there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, replace

from gpuws.environments.mirrors import Verdict, Way, platform, verdicts_of
from gpuws.errors import GpuwsError
from gpuws.host.own_keys import own_keys
from gpuws.host.probing import doctor_script
from gpuws.host.script import fields
from gpuws.journeys.way import probe
from gpuws.journeys.world import World
from gpuws.plan.doctor.finding import exit_of, found
from gpuws.plan.doctor.network import Group, outward_groups
from gpuws.plan.doctor.seen import Examined, Failure, Outward, seen_from
from gpuws.plan.doctor.table import HOST
from gpuws.plan.doctor.way import step_of
from gpuws.plan.model import HostEntry, HostFacts, Pairs, Target
from gpuws.plan.ports import Host
from gpuws.plan.requests import DoctorRequest, Reach
from gpuws.plan.results import Examination

_AT_A_JUMP_HOST = "at the jump host "  # how the connection's errors begin then
_CHANNEL = 5.0  # seconds for a server to open or refuse one
_REFUSED = "forwarding-refused"
_NO_ANSWER = frozenset({"remote-timeout", "connection-lost"})
_CLOSED_PORT = 1  # of the host's loopback: nobody listens on tcpmux
_MOST_PREFIXES = 10


def run(request: DoctorRequest, world: World) -> Examination:
    """Raises what is no finding, such as interrupted. At most three scripts and two channels."""
    examined = _on_the_way(request.reach, world)
    unknown = "not reached" if examined.failure else "not known"
    findings = found(HOST, examined, unknown=unknown)
    told = tuple(asdict(each) for each in findings)
    return Examination(request.reach.host, told, exit_of(findings, HOST))


def _on_the_way(reach: Reach, world: World) -> Examined:
    """The first error of the way is a finding."""
    examined = Examined(reach.host)
    with ExitStack() as stack:
        try:
            profile = world.resolve(reach)
            examined = replace(examined, profile=profile, keys=tuple(own_keys(profile)))
            _refuse_outage(world)
            world.report.stage("connect")
            host = stack.enter_context(world.host(reach))
        except GpuwsError as error:
            return replace(examined, failure=_failure(error))
        return _there(replace(examined, agreed=dict(host.agreed())), reach, host, world)


def _refuse_outage(world: World) -> None:
    outage = world.forwards.outage()
    if outage:
        raise GpuwsError("connection-lost", outage, stage="connect", retryable=True)


def _failure(error: GpuwsError, *, inside: bool = False) -> Failure:
    if not inside and not step_of(error.code):
        raise error
    hop = error.message.startswith(_AT_A_JUMP_HOST)
    return Failure(error.code, error.message, error.hint, hop=hop, inside=inside)


def _there(examined: Examined, reach: Reach, host: Host, world: World) -> Examined:
    """Channels are tried also where no script runs, as behind a ForceCommand."""
    world.report.stage("probe")
    try:
        examined = _told(examined, reach, host, world)
    except GpuwsError as error:
        if error.code == "interrupted":
            raise
        examined = replace(examined, failure=_failure(error, inside=True))
    sockets = examined.seen.sockets if examined.seen else ()
    return replace(examined, forwarding=_forwarding(host, sockets))


def _told(examined: Examined, reach: Reach, host: Host, world: World) -> Examined:
    before = world.now()
    facts = probe(host, reach)
    examined = replace(examined, facts=facts, clock_s=_off(facts.now, before, world.now()))
    entry = reach.entry
    words = (facts.root, facts.run_base, entry.cache_dir or "", *_prefixes(facts))
    reply = host.run(doctor_script(), *words, in_sight=True)
    examined = replace(examined, seen=seen_from(fields(reply, "probe")), noise=reply.before)
    return replace(examined, outward=_outward(host, entry, facts))


def _off(now: int, before: float, after: float) -> float:
    """Seconds by which a clock that was read between two moments is ahead of the one that told
    these; it told whole seconds."""
    if now + 1 < before:
        return now + 1 - before
    return max(0.0, now - after)


def _prefixes(facts: HostFacts) -> tuple[str, ...]:
    """Environments that are in use, and the bases of the host's conda tools."""
    ours = (f"{facts.root}/envs/{digest}" for _, digest in facts.current)
    tools = (facts.tool("conda"), facts.tool("mamba"))
    bases = (tool.path.rpartition("/bin/")[0] for tool in tools if tool)
    running = (each.get("prefix") for each in facts.workspaces)
    return tuple(dict.fromkeys(filter(None, (*ours, *running, *bases))))[:_MOST_PREFIXES]


# --- in and out -----------------------------------------------------------------------------------


def _forwarding(host: Host, sockets: tuple[str, ...]) -> Pairs:
    """Of tcp and socket why the server opens no channels to it, "" where it does.

    Where nothing listens on a port, a server that forwards says so, and one that does not says
    that. Of a socket sshd says the same in both cases: one of those that listen must open.
    """
    code, said = _answer(host, Target(port=_CLOSED_PORT))
    found = () if code in _NO_ANSWER else (("tcp", said if code == _REFUSED else ""),)
    codes = {_answer(host, Target(socket=each))[0] for each in sockets} - _NO_ANSWER
    if not codes:
        return found
    shut = "" if "" in codes else f"the server opens no Unix socket, such as {sockets[0]}"
    return (*found, ("socket", shut))


def _answer(host: Host, target: Target) -> tuple[str, str]:
    """(code, message) of what the server says to a channel; empty where it opens."""
    try:
        host.open_stream(target, timeout=_CHANNEL).close()
    except GpuwsError as error:
        return error.code, error.message
    return "", ""


def _outward(host: Host, entry: HostEntry, facts: HostFacts) -> tuple[Outward, ...] | None:
    groups = outward_groups(entry)
    way = Way(platform(facts), entry.prologue, entry.env)
    verdicts = verdicts_of(host, way, list(groups))
    return tuple(_reached(each, verdicts) for each in groups)


def _reached(group: Group, verdicts: dict[str, Verdict]) -> Outward:
    """By the first address that is of use, else with every one that was tried."""
    kind, addresses = group
    tried = [verdicts[each] for each in addresses]
    good = next((each for each in tried if not each.reason), None)
    if good:
        return Outward(kind, good.address)
    *others, last = tried
    also = "".join(f", nor {each.address}: {each.reason}" for each in others)
    return Outward(kind, last.address, last.reason + also)
