"""What an entry of hosts.yaml says of the way to its host, laid over what ssh's own files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gpuws import places
from gpuws.errors import GpuwsError
from gpuws.plan.model import HostEntry, Profile
from gpuws.plan.requests import Reach


def known_hosts_of(entry: HostEntry) -> Path | None:
    """The file that holds this host's keys and no other's."""
    if entry.known_hosts is None:
        return None
    return places.config() / Path(entry.known_hosts).expanduser()


def with_entry(found: Profile, entry: HostEntry) -> Profile:
    """``found``: as `ssh` resolves the entry's host."""
    if entry.identity_file:
        key = str(Path(entry.identity_file).expanduser())
        found = replace(found, identity_files=(key,), certificate_files=(), identities_only=True)
    if entry.proxy_jump:
        hops = tuple(entry.proxy_jump.split(","))
        found = replace(found, proxy_jump=hops, proxy_command=None)
    own = known_hosts_of(entry)
    if own is None:
        return found
    # by the entry's name: the address of a rented machine is somebody else's tomorrow
    return replace(
        found, user_known_hosts=(str(own),), global_known_hosts=(), host_key_alias=entry.name
    )


def decided_by(entry: HostEntry) -> frozenset[str]:
    """The fields of the profile that ``with_entry`` sets."""
    found = {
        entry.identity_file: ("identity_files", "certificate_files", "identities_only"),
        entry.proxy_jump: ("proxy_jump", "proxy_command"),
        entry.known_hosts: ("user_known_hosts", "global_known_hosts", "host_key_alias"),
    }
    return frozenset(name for value, names in found.items() if value for name in names)


def same_way(made: Reach, wanted: Reach) -> bool:
    """Whether a connection that was ``made`` is the one: its entry may have been renewed since."""
    return _way(made) == _way(wanted) and wanted.node in ("", made.node)


def _way(reach: Reach) -> tuple[object, ...]:
    entry = reach.entry
    port = reach.port or entry.port
    return reach.destination, port, reach.ssh_config, entry.identity_file, entry.proxy_jump


def told(error: GpuwsError, reach: Reach) -> GpuwsError:
    """The error with what hosts.yaml knows about it."""
    if error.code == "unknown-host" and reach.near:
        error.hint = f"did you mean {' or '.join(reach.near)}? {error.hint}"
    if error.code == "host-key-changed" and reach.entry.known_hosts:
        error.hint = (
            f"if it is another machine now: `gpuws hosts add {reach.entry.name} -- ssh …` with the "
            "line that the console shows asks about its key"
        )
    return error
