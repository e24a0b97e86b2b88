"""The way to the host as a ProxyCommand of ssh: a connection of ours, the user's command, jumps.

Jumps are written out, because the host-key rules of gpuws hold at each of them: a configuration
that checks nothing is not followed that far.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.address import parse
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile

_MOST_HOPS = 8


def is_direct(profile: Profile) -> bool:
    return not profile.proxy_jump and not profile.proxy_command


def options(profile: Profile, ssh: str, hand_over: str) -> list[str]:
    """``hand_over``: the program that gives ssh a connection which is there already."""
    if profile.proxy_jump:
        return [f"ProxyCommand={_through(profile, ssh, depth=0)}", "ProxyUseFdpass=no"]
    if profile.proxy_command:
        return [f"ProxyCommand={_literally(profile.proxy_command)}"]
    return [f"ProxyCommand={_literally(shlex.quote(hand_over))}", "ProxyUseFdpass=yes"]


def _through(profile: Profile, ssh: str, depth: int) -> str:
    """Each hop is reached through the one before, whatever its own configuration says, but the
    first: it goes as that configuration leads."""
    if depth >= _MOST_HOPS:
        raise GpuwsError(
            "jump-failed",
            f"the jump host {profile.alias}: the jump hosts lead in a circle",
            hint="check each hop by hand: ssh HOP",
            stage="connect",
        )
    config = Path(profile.ssh_config) if profile.ssh_config else None
    hops = [resolve(name, ssh_config=config) for name in profile.proxy_jump]
    onward = [*hops[1:], profile]
    before = _through(hops[0], ssh, depth + 1) if hops[0].proxy_jump else ""
    for hop, following in zip(hops, onward, strict=True):
        before = _hop(hop, ssh, before, f"[{following.hostname}]:{following.port}")
    return before


def _hop(hop: Profile, ssh: str, before: str, target: str) -> str:
    """A command whose input and output lead to ``target`` as the hop sees it."""
    address = parse(hop.alias)
    words = [
        ssh,
        *(("-F", hop.ssh_config) if hop.ssh_config else ()),
        *("-o", "LogLevel=INFO", "-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no"),
        *("-o", f"StrictHostKeyChecking={hop.strict_host_key_checking}"),
        *(("-o", f"ProxyCommand={before}") if before else ()),
        *("-W", target, "-p", str(hop.port)),
        *(("-l", address.user) if address.user else ()),
        *("--", address.host),
    ]
    return _literally(shlex.join(words))


def _literally(command: str) -> str:
    """ssh fills in what stands behind a percent sign."""
    return command.replace("%", "%%")
