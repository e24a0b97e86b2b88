"""A login by the system's ssh: over a connection that is open already, or one of our own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.host.later import later
from gpuws.host.openssh import master
from gpuws.host.openssh.desk import desk
from gpuws.host.openssh.mux import Control, NoMaster
from gpuws.host.openssh.way import is_direct
from gpuws.host.wire import Wire
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Progress

if TYPE_CHECKING:
    from gpuws.host.carrier import Carrier
    from gpuws.host.openssh.transport import MasterTransport

_PATIENCE = 5.0  # seconds for the host to answer over a connection that is said to be open


def is_open(control_path: str | None) -> bool:
    """Whether a master of the user's own serves this host already."""
    if not control_path:
        return False
    try:
        Control(control_path).close()
    except NoMaster:
        return False
    return True


def link(profile: Profile, ask: Ask, progress: Progress, dial: Callable[[], Wire]) -> Carrier:
    """What carries the host from then on. ``dial`` makes the connection where the configuration
    leads through no jump host and no command. Raises what a login of ours does."""
    master.program()
    found = _over_theirs(profile.control_path, progress) if profile.control_path else None
    return found or _over_ours(profile, ask, progress, dial)


def _over_theirs(path: str, progress: Progress) -> Carrier | None:
    """None where it is there and the host behind it is not: after a sleep of the laptop."""
    from gpuws.host.openssh.theirs import TheirMaster

    try:
        joined = TheirMaster(path)
    except (NoMaster, OSError):
        return None
    if joined.ping(_PATIENCE):
        return joined
    joined.close()
    progress.warn("the ssh connection that is open already does not answer; a new one is made")
    return None


def _over_ours(
    profile: Profile, ask: Ask, progress: Progress, dial: Callable[[], Wire]
) -> MasterTransport:
    later(_load)
    road = dial() if is_direct(profile) else None
    try:
        with desk(road, ask, progress) as there:
            met = master.log_in(profile, there, progress)
            joined = _join(profile, there.master, road, met.version)
    except BaseException:
        if road is not None:
            road.close()
        raise
    if met.round_trip:
        joined.timed(met.round_trip)
    else:
        joined.ping(_PATIENCE)
    return joined


def _load() -> None:
    """paramiko takes 0.3 s, in which ssh logs in."""
    importlib.import_module("gpuws.host.openssh.transport")


def _join(profile: Profile, path: str, road: Wire | None, version: str) -> MasterTransport:
    """Two lines to the master: one for questions to itself, one that carries the channels."""
    from gpuws.host.openssh.transport import MasterTransport, MasterWire

    try:
        control = Control(path)
        line = Control(path).channels()
    except (NoMaster, TimeoutError) as error:
        raise _no_proxy(profile, str(error)) from None

    def end() -> None:
        control.terminate()
        control.close()
        if road is not None:
            road.close()

    wire = MasterWire(line, road, name=f"{profile.hostname}:{profile.port}", on_close=end)
    return MasterTransport(wire, control, version)


def _no_proxy(profile: Profile, why: str) -> GpuwsError:
    return GpuwsError(
        "connection-lost",
        f"{profile.alias}: ssh's master connection cannot be used: {why}",
        hint="it takes OpenSSH 7.4 or newer on this machine; try --transport paramiko",
        stage="connect",
        retryable=True,
    )
