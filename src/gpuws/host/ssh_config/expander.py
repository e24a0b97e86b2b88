"""What ``ssh -G HOST`` would print, found without it: each value with its place."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from gpuws.host.address import Address
from gpuws.host.here import Here
from gpuws.host.ssh_config.finishing import finish
from gpuws.host.ssh_config.lexer import lower
from gpuws.host.ssh_config.reading import Reading
from gpuws.host.ssh_config.refusing import BadLine, unreadable, unsupported
from gpuws.host.ssh_config.settings import COMMAND_LINE, Settings
from gpuws.host.tokens import expand

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


def expanded(
    address: Address,
    here: Here,
    succeeds: Callable[[str], bool],
    *,
    config: Path | None = None,
    port: int | None = None,
) -> Settings:
    """``config`` is ``-F``, ``port`` is ``-p``; ``succeeds`` runs the commands of Match exec.

    Raises profile-unreadable for what ssh refuses, profile-unsupported for what it would not.
    """
    settings = _asked(address, port)
    first = Reading(settings, here, address.host, address.host, succeeds, final=False)
    first.files(config)
    host = _named(settings, address.host)
    canonical = settings.one("canonicalizehostname", "false")
    _refuse_dns(settings, host, canonical)
    if first.wants_final or canonical != "false":
        settings.first("hostname", [host], COMMAND_LINE)
        settings.replace("hostname", [host])
        again = Reading(settings, here, host, address.host, succeeds, final=True)
        again.files(config)
    settings.first("hostname", [host], COMMAND_LINE)
    settings.replace("hostname", [host])
    finish(settings, here, address.host)
    return settings


def _asked(address: Address, port: int | None) -> Settings:
    settings = Settings()
    if port is not None:
        settings.first("port", [str(port)], COMMAND_LINE)
    if address.user is not None:
        settings.first("user", [address.user], COMMAND_LINE)
    return settings


def _named(settings: Settings, original: str) -> str:
    """The host's name: an address in its plain form, a name in lower case."""
    name = settings.one("hostname")
    try:
        host = expand(name, {"h": lambda: original}, None) if name else original
    except BadLine as error:
        raise unreadable(settings.place("hostname"), f"HostName: {error}") from None
    plain = _address(host, _family(settings))
    return plain or (host if _looks_numeric(host) else lower(host))


def _family(settings: Settings) -> int:
    return _FAMILIES.get(settings.one("addressfamily"), socket.AF_UNSPEC)


def _looks_numeric(host: str) -> bool:
    return "%" in host or ":" in host or not host.strip("0123456789.")


def _address(host: str, family: int) -> str | None:
    """The plain form of what is one address. Nothing is asked of DNS."""
    try:
        found = socket.getaddrinfo(
            host, 22, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
        return socket.getnameinfo(found[0][4], socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
    except (OSError, UnicodeError):
        return None


def _refuse_dns(settings: Settings, host: str, canonical: str) -> None:
    """Where ssh would ask DNS for the name, or for a longer one. Raises profile-unsupported."""
    jump, command = settings.one("proxyjump", "none"), settings.one("proxycommand", "none")
    is_direct = (jump, lower(command)) == ("none", "none")
    if _address(host, _family(settings)) or (canonical != "always" and not is_direct):
        return
    if settings.values("canonicalizepermittedcnames") not in ((), ("none",)):
        place = settings.place("canonicalizepermittedcnames")
        raise unsupported(place, "CanonicalizePermittedCNAMEs")
    if canonical == "false" or _looks_numeric(host):
        return
    dots = host.count(".")
    if not host.endswith(".") and dots > int(settings.one("canonicalizemaxdots", "1")):
        return
    if host.endswith(".") or lower(settings.one("canonicaldomains", "none")) != "none":
        raise unsupported(settings.place("canonicalizehostname"), "CanonicalizeHostname")
    if settings.one("canonicalizefallbacklocal", "yes") == "no":
        why = f"{host} is found in none of CanonicalDomains"
        raise unreadable(settings.place("canonicalizehostname"), why)
