"""A host as ``ssh`` itself would reach it: ``ssh -G`` is asked; without an ssh program its
configuration is read here, strictly."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.address import Address, parse
from gpuws.host.asked import asked, command
from gpuws.host.asked import tokens_of as ssh_tokens
from gpuws.host.here import Here, here
from gpuws.host.mapped import profile_from
from gpuws.host.ssh_config.commands import Commands
from gpuws.host.ssh_config.expander import expanded
from gpuws.host.ssh_config.finishing import tokens_of
from gpuws.host.ssh_config.names import known_aliases, nearest
from gpuws.host.ssh_config.settings import Settings
from gpuws.plan.model import Profile
from gpuws.plan.transport import only_ssh_can

__all__ = ["known_aliases", "nearest", "resolve"]

_NO_SSH = "no ssh program found: gpuws has read your ssh configuration itself"


@dataclass(frozen=True)
class Asked:
    """Which host, and what the command line says of it: ``-F`` and ``-p``."""

    host: str
    address: Address
    ssh_config: Path | None
    port: int | None


@dataclass(frozen=True)
class Resolved:
    profile: Profile
    settings: Settings
    resolver: str  # ssh | own


def resolve(host: str, *, ssh_config: Path | None = None, port: int | None = None) -> Profile:
    """What ``ssh HOST`` would do. ``ssh_config`` is ``-F``, ``port`` is ``-p``.

    Raises bad-host-string before any program runs, profile-unreadable with ssh's own words, and
    without an ssh program profile-unsupported for what gpuws does not understand.
    """
    return resolved(asked_for(host, ssh_config, port)).profile


def asked_for(host: str, ssh_config: Path | None, port: int | None) -> Asked:
    address = parse(host)
    return Asked(host, address, ssh_config, port or address.port)


def resolved(which: Asked) -> Resolved:
    ssh = shutil.which("ssh")
    return by_ssh(which, ssh) if ssh else by_itself(which)


def by_ssh(which: Asked, ssh: str, now: Here | None = None) -> Resolved:
    def words(*more: str) -> list[str]:
        return command(ssh, which.address, which.ssh_config, which.port, *more)

    settings = asked(words(), lambda: read_or_nothing(which, now))
    tokens = ssh_tokens(settings, now or here(), which.address.host, words)
    found = profile_from(settings, which.host, tokens, which.ssh_config)
    only = only_ssh_can({each: settings.values(each) for each in settings.keywords()})
    return Resolved(replace(found, only_ssh=only), settings, "ssh")


def by_itself(which: Asked, now: Here | None = None) -> Resolved:
    settings = read(which, now)
    tokens = tokens_of(settings, now or here(), which.address.host)
    found = profile_from(settings, which.host, tokens, which.ssh_config)
    profile = replace(found, notes=(_NO_SSH, *found.notes))
    return Resolved(profile, settings, "own")


def read(which: Asked, now: Here | None = None) -> Settings:
    """The configuration as gpuws reads it, each value with its place."""
    now = now or here()
    commands = Commands(now.environment, windows=now.windows)
    return expanded(which.address, now, commands.succeeds, config=which.ssh_config, port=which.port)


def read_or_nothing(which: Asked, now: Here | None = None) -> Settings:
    """Where ssh has been asked, what gpuws does not understand is no mistake."""
    try:
        return read(which, now)
    except GpuwsError:
        return Settings()
