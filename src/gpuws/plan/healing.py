"""When a lost connection is made again, and how its state is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from gpuws.errors import Exit, GpuwsError

_EAGER = 60  # tries, about two minutes, before the pauses grow
_PAUSE, _LONG_PAUSE = 1.5, 4.0  # seconds at most between two tries
_SLOW = 10.0  # seconds between two looks at what only others can change


class Verdict(Enum):
    """What a failed try means for the next one."""

    AGAIN = "reconnecting"  # the network: it will come back
    SLOWLY = "paused"  # not the right server, perhaps a captive portal's: look again now and then
    PERSON = "waiting"  # a code, a password, a mistake in the configuration: wait for `attach`


@dataclass(frozen=True)
class Link:
    """Where the connection to a host stands. Times are of a monotonic clock, in seconds."""

    state: str = "open"  # open | reconnecting | paused
    since: float = 0.0
    tries: int = 0
    next_at: float = 0.0  # of the next try; 0: there is none, or it is under way
    reason: str = ""


def verdict(error: GpuwsError) -> Verdict:
    """Who hung up in the middle of a login, or said nothing at all (``retryable``), may have been
    the network; so may a name that nobody knows: it has led to the host before."""
    if error.exit is Exit.HOST_KEY or (error.code == "not-ssh" and not error.retryable):
        return Verdict.SLOWLY
    no_way = error.exit is Exit.NETWORK or error.code == "unknown-host"
    network = no_way and error.code != "no-common-algorithm"
    if network or (error.exit is Exit.AUTHENTICATION and error.retryable):
        return Verdict.AGAIN
    return Verdict.PERSON


def pause(verdict: Verdict, tries: int, chance: float) -> float:
    """Seconds until the next try; ``chance`` from 0 to 1 spreads those of many laptops.

    A try that fails costs a packet or two, so they may be close together; a login that fails
    costs the server more, and is not repeated.
    """
    if verdict is Verdict.SLOWLY:
        return _SLOW * (1 + 0.2 * chance)
    longest = _PAUSE if tries < _EAGER else _LONG_PAUSE
    return longest * (0.4 + 0.6 * chance)


def words(tunnel: dict[str, Any]) -> str:
    """One tunnel's health for a person, from what `status --json` says of it."""
    if tunnel["state"] == "open":
        delay = f", {tunnel['latency_ms']:.0f} ms away" if tunnel["latency_ms"] else ""
        moved = (tunnel["bytes_in"] + tunnel["bytes_out"]) / 1e6
        times = tunnel["reconnects"]
        again = f", made again {times} time{'s' if times > 1 else ''}" if times else ""
        return (
            f"open on 127.0.0.1:{tunnel['local_port']}, last heard {tunnel['heard_s']:.0f} s ago"
            f"{delay}, {tunnel['connections']} connections, {moved:.1f} MB{again}"
        )
    if tunnel["state"] == "paused":
        return f"paused: {tunnel['reason']}"
    when = f"next in {tunnel['next_s']:.0f} s" if tunnel["next_s"] else "now"
    return f"last heard {tunnel['heard_s']:.0f} s ago, reconnecting (try {tunnel['try']}, {when})"
