"""HOST as the user types it: alias, user@host, user@host:port, [v6]:port, ssh://user@host:port."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpuws.errors import GpuwsError

_SHELL = set("'\"`$\\;&<>|(){}")
"""OpenSSH's own list of what may not stand in a host or user name."""

_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::(\d+))?")


@dataclass(frozen=True)
class Address:
    """A parsed HOST. ``user`` and ``port`` are None where not said."""

    host: str
    user: str | None = None
    port: int | None = None


def parse(text: str) -> Address:
    """Parse and refuse before any program sees it. Raises bad-host-string."""
    _refuse_unsafe(text)
    rest = text
    if rest.lower().startswith("ssh://"):
        rest = rest[6:].removesuffix("/")
    user, at, host = rest.rpartition("@")
    if at and not user:
        raise _bad(text, "has no user before the @")
    name, port = _host_and_port(text, host)
    if not name or name.startswith("-") or user.startswith("-") or "/" in name:
        raise _bad(text, "is not a host name")
    return Address(name, user or None, port)


def _refuse_unsafe(text: str) -> None:
    if not text:
        raise _bad(text, "is empty")
    if len(text) > 320:
        raise _bad(text[:40] + "…", f"has {len(text)} characters")
    if text.startswith("-"):
        raise _bad(text, "looks like an option")
    if not text.isascii():
        raise _bad(text, "has characters outside ASCII (write the xn-- form)")
    bad = next((c for c in text if c in _SHELL or c.isspace() or not c.isprintable()), None)
    if bad is not None:
        raise _bad(text, f"contains {bad!r}")


def _host_and_port(text: str, host: str) -> tuple[str, int | None]:
    if host.startswith("["):
        match = _BRACKETED.fullmatch(host)
        if match is None:
            raise _bad(text, "has an address in brackets that does not end well")
        return match[1], _port(text, match[2])
    if host.count(":") == 1:
        name, _, port = host.partition(":")
        return name, _port(text, port)
    return host, None  # a bare IPv6 address has more colons


def _port(text: str, digits: str | None) -> int | None:
    if digits is None:
        return None
    if not digits.isdigit() or len(digits) > 5 or not 0 < int(digits) < 65536:
        raise _bad(text, f"has the port {digits!r}; a port is 1 to 65535")
    return int(digits)


def _bad(text: str, why: str) -> GpuwsError:
    return GpuwsError(
        "bad-host-string",
        f"HOST {text[:80]!r} {why}",
        hint="HOST is an ssh alias, user@host, or user@host:port",
        stage="connect",
    )
