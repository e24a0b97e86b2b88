"""To one of several machines behind a name: by its own address, else on from whichever answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpuws.errors import Exit, GpuwsError
from gpuws.host.address import parse
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.host.script import fields, script
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Host, Progress

_MOST = 4  # addresses, each of which costs a login
_PASSED = frozenset({Exit.NETWORK, Exit.HOST_KEY})


def connect_to_node(
    profile: Profile, node: str, ask: Ask, progress: Progress, *, known: str = ""
) -> Host:
    """A connection to the machine that calls itself ``node``. ``known``: an address that is not it.

    Raises what a connection does, host-unreachable where no machine of that name was found.
    """
    for pinned in _by_address(profile, known):
        progress.line(f"looking for {node} at {pinned.hostname}")
        try:
            found = connect(pinned, ask, progress)
        except GpuwsError as error:
            if error.exit not in _PASSED:
                raise
            continue
        if _is(found, node):
            return found
    progress.line(f"going on to {node} from {profile.alias}")
    found = connect(_beyond(profile, node), ask, progress)
    if _is(found, node):
        return found
    raise GpuwsError("host-unreachable", f"no machine behind {profile.alias} is {node}")


def _by_address(profile: Profile, known: str) -> Iterator[Profile]:
    """The name's other addresses, where this machine dials them itself. The keys are still those
    of the name."""
    if profile.proxy_jump or profile.proxy_command:
        return
    try:
        found = socket.getaddrinfo(profile.hostname, profile.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    name = profile.hostname.lower()
    alias = profile.host_key_alias or (name if profile.port == 22 else f"[{name}]:{profile.port}")
    addresses = dict.fromkeys(str(each[4][0]) for each in found)
    if len(addresses) < 2:
        return
    for address in list(addresses)[:_MOST]:
        if address != known:
            yield replace(profile, hostname=address, host_key_alias=alias)


def _beyond(profile: Profile, node: str) -> Profile:
    """As `ssh -J HOST NODE`: with the same login, and the node's key under its own name."""
    config = Path(profile.ssh_config) if profile.ssh_config else None
    found = resolve(f"{profile.user}@{node}", ssh_config=config)
    hop = f"{profile.user}@{parse(profile.alias).host}:{profile.port}"
    return replace(
        profile,
        alias=node,
        hostname=found.hostname,
        port=found.port,
        host_key_alias=found.host_key_alias,
        user_known_hosts=found.user_known_hosts,
        proxy_jump=(hop,),
        proxy_command=None,
    )


def _is(host: Host, node: str) -> bool:
    """Ends the connection where it is another machine."""
    try:
        said = fields(host.run(script("gpuws.host", "node.sh")), "connect")
    except BaseException:
        host.close()
        raise
    if said.get("node") == [node]:
        return True
    host.close()
    return False
