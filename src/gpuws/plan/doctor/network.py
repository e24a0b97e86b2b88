"""What goes in and out: forwards through the connection, packages and models from outside. Pure."""

from __future__ import annotations

from gpuws.plan.doctor.finding import Check, Said, Verdict, advice, ok, problem, warning
from gpuws.plan.doctor.seen import Examined, Outward
from gpuws.plan.mirrors import PYPI, candidates, hub
from gpuws.plan.model import HostEntry, Mirror
from gpuws.plan.naming import public

_HUB = "https://huggingface.co"

Group = tuple[str, tuple[str, ...]]
"""(channel, index or hub; its addresses, best first)."""


def outward_groups(entry: HostEntry) -> tuple[Group, ...]:
    """Where this host's packages and models would come from, by hosts.yaml and the defaults."""
    mirror = entry.mirror or Mirror()
    channels = entry.channels or ("conda-forge",)
    index = entry.pip_index or mirror.pip or PYPI
    return (
        *(("channel", candidates(mirror, each) or (each,)) for each in channels),
        ("index", (index,)),
        ("hub", (hub(entry) or _HUB,)),
    )


# --- forwards -------------------------------------------------------------------------------------


def _tcp(examined: Examined) -> Said | None:
    said, other = _said(examined, "tcp"), _said(examined, "socket")
    if said is None:
        return None
    if not said:
        return ok("the server opens them")
    return problem(said) if other else warning(said)


def _socket(examined: Examined) -> Said | None:
    said, other = _said(examined, "socket"), _said(examined, "tcp")
    if said is None:
        return None
    if not said:
        return ok("the server opens them")
    if other:
        return problem(said, code="forwarding-refused")
    return advice(f"{said}: Jupyter listens on a loopback port instead")


def _said(examined: Examined, kind: str) -> str | None:
    return dict(examined.forwarding).get(kind)


# --- the way out ----------------------------------------------------------------------------------


def _channels(examined: Examined) -> Said | None:
    """A problem only where nothing else could be had either."""
    index = _of(examined, "index")
    alone = bool(index) and all(each.reason for each in index or ())
    return _out(examined, "channel", Verdict.PROBLEM if alone else Verdict.WARNING)


def _index(examined: Examined) -> Said | None:
    return _out(examined, "index", Verdict.WARNING)


def _hub(examined: Examined) -> Said | None:
    return _out(examined, "hub", Verdict.ADVICE)


def _out(examined: Examined, kind: str, verdict: Verdict) -> Said | None:
    asked = _of(examined, kind)
    if not asked:
        return None
    missing = [each for each in asked if each.reason]
    if not missing:
        return ok(", ".join(public(each.place) for each in asked))
    told = "; ".join(f"{public(each.place)} ({each.reason})" for each in missing)
    return Said(verdict, f"the host cannot reach {told}")


def _of(examined: Examined, kind: str) -> tuple[Outward, ...] | None:
    if examined.outward is None:
        return None
    return tuple(each for each in examined.outward if each.kind == kind)


NETWORK: tuple[Check[Examined], ...] = (
    Check(
        "forwarding-refused",
        "TCP forwards",
        "The server opens channels to its loopback ports. It is tried, on port 1, where nothing "
        "listens. Where sockets are refused as well, no Jupyter can be reached: OpenSSH refuses "
        "those wherever it refuses some ports (AllowTcpForwarding, PermitOpen).",
        "ask its administrator for `AllowTcpForwarding local` in sshd_config, or set "
        "`bridge: stdio` for the host in hosts.yaml",
        _tcp,
    ),
    Check(
        "socket-forwarding-refused",
        "socket forwards",
        "The server opens channels to Unix sockets, which no other user of the host can reach. It "
        "is tried, on one that some server of the host listens on.",
        "ask its administrator for `AllowStreamLocalForwarding local` in sshd_config",
        _socket,
        codes=("forwarding-refused",),
    ),
    Check(
        "channel-unreachable",
        "conda channels",
        "The host reaches the channels of hosts.yaml (else conda-forge), or their mirrors, also "
        "through the proxies of `env:` and the prologue. A problem where it reaches no package "
        "index either.",
        "name a mirror or a proxy in hosts.yaml (`mirror:`, `env:`); `gpuws up HOST --offline` "
        "sends the packages of a lock from this laptop",
        _channels,
    ),
    Check(
        "index-unreachable",
        "package index",
        "The host reaches the package index of hosts.yaml (else PyPI).",
        "`pip_index:` or `mirror:` in hosts.yaml names another; `gpuws up HOST --offline` needs "
        "none",
        _index,
    ),
    Check(
        "hub-unreachable",
        "model hub",
        "The host reaches the hub that models come from (`huggingface:` of the mirror, else "
        "huggingface.co).",
        "`mirror:` in hosts.yaml with `huggingface:` names another",
        _hub,
    ),
)
