"""From a profile to a Host: dial, verify, log in. paramiko is imported while the dial is out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.host import dial, hostkeys, proxy_command
from gpuws.host.address import parse
from gpuws.host.later import later
from gpuws.host.profile import known_aliases, nearest, resolve
from gpuws.host.wire import Wire
from gpuws.plan.model import Profile, Target
from gpuws.plan.ports import Ask, Host, Progress

if TYPE_CHECKING:
    from gpuws.host.transport import Transport

HANDSHAKE = 15.0  # seconds from the first byte to the end of the key exchange
_MOST_HOPS = 8
_PAUSES = (0.3, 1.0)  # seconds before the second and third try, times 0.5 to 1.5


def connect(profile: Profile, ask: Ask, progress: Progress) -> Host:
    """One verified, authenticated connection. Every error has stage "connect".

    ``ask`` answers for the host key, passphrases, passwords and codes.
    """
    for note in profile.notes:
        progress.note(note)
    try:
        transport = _persistently(profile, ask, progress)
    except GpuwsError as error:
        error.stage = error.stage or "connect"
        raise
    from gpuws.host.paramiko_host import ParamikoHost

    return ParamikoHost(transport, profile)


def _persistently(profile: Profile, ask: Ask, progress: Progress) -> Transport:
    """A server with many logins at once hangs up on some (MaxStartups): try again, unevenly.

    Only where nothing was said and nobody was asked; a ban of ours must not be fed.
    """
    for pause in _PAUSES:
        try:
            return _link(profile, ask, progress)
        except GpuwsError as error:
            if error.code != "connection-lost" or "before a word" not in error.message:
                raise
        progress.line("the server is busy, trying again")
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (spread, not secrecy)
    return _link(profile, ask, progress)


def _link(
    profile: Profile,
    ask: Ask,
    progress: Progress,
    trail: tuple[Profile, ...] = (),
    over: Transport | None = None,
) -> Transport:
    """An authenticated transport to one host: ``over`` that of a jump host, else its own way.

    ``trail``: the hosts that this one is a jump host of.
    """
    known = later(lambda: hostkeys.known_keys(profile))
    reach = _way(profile, ask, progress, trail, over)
    from gpuws.host import authenticate
    from gpuws.host.handshake import handshake

    wire = reach()
    logged_in = False
    try:
        keys = known()
        link = _shake_hands(handshake, profile, wire, keys)
        hostkeys.verify(profile, keys, link.shown_key, ask, progress)
        if not link.agreed_on_strict_kex:
            progress.warn(f"{wire.name} knows no strict key exchange (CVE-2023-48795): update it")
        if profile.login_timeout is not None:
            wire.expire_in(profile.login_timeout)
        authenticate.log_in(link, profile, ask, progress)
        wire.relax()
        logged_in = True
    except GpuwsError as error:
        raise wire.explained(error) from error
    finally:
        if not logged_in:
            wire.close()
    return link


def _way(
    profile: Profile,
    ask: Ask,
    progress: Progress,
    trail: tuple[Profile, ...],
    over: Transport | None,
) -> Callable[[], Wire]:
    """Gives the wire to the host when it is called; a dial of our own has begun by then."""
    if over is not None:
        return lambda: _onward(over, profile)
    if profile.proxy_jump:
        return lambda: _through_hops(profile, ask, progress, (*trail, profile))
    dialled = later(lambda: dial.dial(profile))
    return lambda: _named(profile, dialled)


def _shake_hands(
    handshake: Callable[[Wire, tuple[str, ...], float], Transport],
    profile: Profile,
    wire: Wire,
    known: hostkeys.KnownKeys,
) -> Transport:
    try:
        deadline = min(HANDSHAKE, profile.connect_timeout)  # ssh's ConnectTimeout covers it too
        return handshake(wire, known.key_types(), deadline)
    except GpuwsError as error:
        if profile.proxy_command and not wire.head:
            raise proxy_command.failed(profile, wire) from None
        if error.code == "no-common-algorithm" and known.plain and "host key" in error.message:
            raise hostkeys.lost_types(known, error.detail) from None
        raise


# --- jumps ---------------------------------------------------------------------------------------


def _through_hops(
    profile: Profile, ask: Ask, progress: Progress, trail: tuple[Profile, ...]
) -> Wire:
    """Log in to each hop in turn; the last one opens the way to the host itself."""
    config = Path(profile.ssh_config) if profile.ssh_config else None
    reached: Transport | None = None
    try:
        for name in profile.proxy_jump:
            hop = resolve(name, ssh_config=config)
            _refuse_circle(hop, trail)
            if reached is not None:  # as ssh -J a,b: b is reached through a, whatever b's config
                hop = replace(hop, proxy_jump=(), proxy_command=None)
            reached = _hop(hop, reached, ask, progress, trail)
        assert reached is not None  # noqa: S101 (proxy_jump is not empty)
        return _onward(reached, profile)
    except BaseException:
        if reached is not None:
            reached.wire.close()
        raise


def _hop(
    hop: Profile,
    before: Transport | None,
    ask: Ask,
    progress: Progress,
    trail: tuple[Profile, ...],
) -> Transport:
    progress.line(f"jump host {hop.alias}")
    try:
        return _link(hop, ask, progress, trail, before)
    except GpuwsError as error:
        raise _at_hop(hop, error) from error


def _refuse_circle(hop: Profile, trail: tuple[Profile, ...]) -> None:
    """ssh refuses a jump over the host itself, and would go round in a longer circle for ever."""
    met = [(each.hostname, each.port, each.user) for each in trail]
    if (hop.hostname, hop.port, hop.user) in met or len(trail) > _MOST_HOPS:
        way = " → ".join(each.alias for each in (*trail, hop))
        raise _jump_failed(
            hop.alias,
            f"the jumps lead in a circle: {way}",
            f"correct ProxyJump in your ssh config; what holds says: ssh -G {hop.alias}",
            retryable=False,
        )


def _onward(hop: Transport, profile: Profile) -> Wire:
    """A channel of the hop's connection as the wire to the next host."""
    from gpuws.host.refusal import PROHIBITED, ChannelRefused

    where = f"{profile.hostname}:{profile.port}"
    try:
        target = Target(host=profile.hostname, port=profile.port)
        channel = hop.open_target(target, profile.connect_timeout)
    except ChannelRefused as error:
        why = "forbids forwarding" if error.code == PROHIBITED else "cannot reach it"
        raise _jump_failed(
            hop.wire.name,
            f"{why} ({where})",
            "AllowTcpForwarding on the jump host, and the name as the jump host sees it",
        ) from None
    except (EOFError, TimeoutError):
        raise _jump_failed(hop.wire.name, f"does not answer on the way to {where}", "") from None
    wire = Wire(channel, name=where, on_close=hop.wire.close)
    wire.explain = lambda: _ended_at(hop)
    return wire


def _ended_at(hop: Transport) -> str:
    """The hop that was lost first, where it was not the host itself."""
    if not hop.wire.ended:
        return ""
    return hop.wire.explain() or f"the jump host {hop.wire.name} ended its connection"


def _at_hop(hop: Profile, error: GpuwsError) -> GpuwsError:
    """The same error, naming the hop; its own code stays where it says more than jump-failed."""
    network = error.exit.name == "NETWORK"
    return GpuwsError(
        "jump-failed" if network else error.code,
        f"at the jump host {hop.alias}: {error.message}",
        hint=error.hint,
        stage="connect",
        detail=error.detail,
        retryable=error.retryable,
    )


def _jump_failed(name: str, why: str, hint: str, *, retryable: bool = True) -> GpuwsError:
    return GpuwsError(
        "jump-failed",
        f"the jump host {name}: {why}",
        hint=hint or "check each hop by hand: ssh HOP",
        stage="connect",
        retryable=retryable,
    )


# --- names ---------------------------------------------------------------------------------------


def _named(profile: Profile, dialled: Callable[[], Wire]) -> Wire:
    """A name that DNS does not know and the configuration does not either is a typing mistake."""
    try:
        return dialled()
    except GpuwsError as error:
        name = parse(profile.alias).host
        config = Path(profile.ssh_config) if profile.ssh_config else None
        near = nearest(name, config)
        ours = profile.hostname == name and name not in known_aliases(config)
        if error.code != "name-not-resolved" or not ours or not (near or "." not in name):
            raise
        raise GpuwsError(
            "unknown-host",
            f"{name} is no alias of your ssh config, and no name that this machine can resolve",
            hint=f"did you mean {' or '.join(near)}?"
            if near
            else "name a Host of ~/.ssh/config, an entry of hosts.yaml, or user@host",
            stage="connect",
        ) from None
