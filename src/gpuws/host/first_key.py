"""The lines that set up a key, for a person who logged in with a password."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from gpuws.host.address import parse
from gpuws.host.here import home
from gpuws.host.ssh_config.names import known_aliases
from gpuws.plan.model import Profile

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_APPEND = "umask 077; mkdir -p .ssh; cat >> .ssh/authorized_keys"


@dataclass(frozen=True)
class Key:
    """The key to set up: its private file, whether ssh looks there by itself, whether it exists."""

    file: PurePath
    usual: bool
    there: bool


def advice(profile: Profile, *, windows: bool) -> tuple[str, ...]:
    """What to type on this machine."""
    key = _key([Path(name) for name in profile.identity_files], Path(home(), ".ssh"))
    aliases = known_aliases(Path(profile.ssh_config) if profile.ssh_config else None)
    return (
        "a key spares you the password; on this machine, once:",
        *(
            f"  {line}"
            for line in lines(profile, key, parse(profile.alias).host in aliases, windows)
        ),
    )


def _key(named: Sequence[Path], folder: Path) -> Key:
    """The first that is there, else the one that ssh would look for."""
    there = [file for file in named if file.with_name(f"{file.name}.pub").is_file()]
    own = [file for file in named if not _is_usual(file, folder)]
    file = (there or own or [folder / "id_ed25519"])[0]
    return Key(file, _is_usual(file, folder), bool(there))


def _is_usual(file: Path, folder: Path) -> bool:
    return file.parent == folder and file.name in _USUAL


def lines(profile: Profile, key: Key, is_alias: bool, windows: bool) -> tuple[str, ...]:
    """``is_alias``: the ssh configuration has the address, the port and the way there."""
    make = ["ssh-keygen", "-t", "ed25519", *([] if key.usual else ["-f", str(key.file)])]
    way = _way(profile, is_alias)
    if windows:
        public = rf"$env:USERPROFILE\.ssh\{key.file.name}" if key.usual else str(key.file)
        copy = f'type {public}.pub | ssh {shlex.join(way)} "{_APPEND}"'
    else:
        named = [] if key.usual else ["-i", f"{key.file}.pub"]
        copy = shlex.join(["ssh-copy-id", *named, *way])
    return (copy,) if key.there else (shlex.join(make), copy)


def _way(profile: Profile, is_alias: bool) -> list[str]:
    config = ["-F", profile.ssh_config] if profile.ssh_config else []
    typed = parse(profile.alias)
    if is_alias:
        port = ["-p", str(typed.port)] if typed.port else []
        name = f"{typed.user}@{typed.host}" if typed.user else typed.host
        return [*config, *port, name]
    jump = ["-o", f"ProxyJump={','.join(profile.proxy_jump)}"] if profile.proxy_jump else []
    port = ["-p", str(profile.port)] if profile.port != 22 else []
    return [*config, *port, *jump, f"{profile.user}@{profile.hostname}"]
