"""The jump hosts of a line: [user@]host[:port] or ssh://[user@]host[:port], with commas between."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpuws.host.ssh_config.lexer import Line, lower
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood
from gpuws.host.ssh_config.values import port_of


@dataclass(frozen=True)
class Hop:
    """``user`` is "" and ``port`` 0 where not said."""

    host: str
    user: str = ""
    port: int = 0

    def __str__(self) -> str:
        """As ``ssh -G`` prints the last one."""
        numeric = ":" in self.host or not self.host.strip("1234567890.")
        place = f"[{self.host}]" if numeric else self.host
        named = f"{self.user}@{place}" if self.user else place
        return f"{named}:{self.port}" if self.port else named


def jump(line: Line) -> tuple[str, ...]:
    """One text, first hop first: the last one in ssh's spelling, those before as written."""
    text = line.rest.lstrip(" \t\r\n=")
    if lower(text) == "none":
        return ("none",)
    text = text.partition("#")[0].rstrip()
    if " " in text or "\t" in text:  # OpenSSH 9.2 stops at the first one
        raise NotUnderstood("a blank in ProxyJump")
    hops = [hop_of(each) for each in text.split(",")]
    before, comma, _ = text.rpartition(",")
    return (f"{before}{comma}{hops[-1]}",)


def hop_of(text: str) -> Hop:
    """Raises BadLine."""
    if text.startswith("ssh://"):
        return _of_uri(text[6:])
    user, at, place = text.rpartition("@")
    host, after = host_and_rest(place)
    if (at and not user) or not host:
        raise BadLine(f"{text[:60]!r} is no jump host")
    return Hop(_bare(host), user, port_of(after[1:]) if after[1:] else 0)


def _of_uri(text: str) -> Hop:
    user, at, place = text.partition("@") if "@" in text else ("", "", text)
    user = user.partition(";")[0]
    host, after = host_and_rest(place)
    name = _bare(host)
    if (at and not user) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or ".." in name:
        raise BadLine(f"ssh://{text[:60]} is no jump host")
    if "%" in user or "+" in user:
        raise NotUnderstood("an encoded user in ssh://")
    digits, _, path = after[1:].partition("/") if after[:1] == ":" else ("", "", after[1:])
    if path or after.startswith(":/"):
        raise BadLine(f"ssh://{text[:60]} has a path")
    return Hop(name.removesuffix("."), user, port_of(digits) if digits else 0)


def host_and_rest(text: str) -> tuple[str, str]:
    """Up to the first : or / outside brackets; ("", "") without a host."""
    found = re.match(r"(\[[^\]]*\]|[^:/\[][^:/]*)(?=[:/]|$)(.*)", text, re.DOTALL)
    return (found[1], found[2]) if found else ("", "")


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host
