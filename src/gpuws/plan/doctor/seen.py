"""What was gathered of a host: values, strictly parsed, nothing judged yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gpuws.plan import answers
from gpuws.plan.answers import Fields
from gpuws.plan.model import HostFacts, Pairs, Profile

T = TypeVar("T")

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+_-]{0,40}")
_PARTS = ("folders", "jupyters", "servers", "sockets")


@dataclass(frozen=True)
class Folder:
    """A folder that gpuws would use. Sizes in MiB; -1 where they are not counted."""

    name: str  # root, home, tmp, run, cache, conda
    path: str
    filesystem: str
    free_mb: int
    total_mb: int
    inodes: int
    runs: bool  # programs may be started from it
    writable: bool


@dataclass(frozen=True)
class Jupyter:
    """An environment's jupyter_server."""

    prefix: str
    version: str


@dataclass(frozen=True)
class Server:
    """A Jupyter of the user's that listens. ``reach``: every | loopback | an address in hex;
    ``open``: its command line takes the token away."""

    pid: int
    reach: str
    port: int
    open: bool


@dataclass(frozen=True)
class Seen:
    """What doctor.sh answered."""

    folders: tuple[Folder, ...] = ()
    jupyters: tuple[Jupyter, ...] = ()
    servers: tuple[Server, ...] = ()
    sockets: tuple[str, ...] = ()  # on which some server listens, for a channel to be tried on
    unanswered: tuple[str, ...] = ()

    def folder(self, name: str) -> Folder | None:
        return next((each for each in self.folders if each.name == name), None)


@dataclass(frozen=True)
class Failure:
    """The error that ended the way to the host. ``hop``: it was at a jump host; ``inside``: the
    login was done."""

    code: str
    message: str
    hint: str = ""
    hop: bool = False
    inside: bool = False


@dataclass(frozen=True)
class Outward:
    """A place that packages or models come from. ``kind``: channel | index | hub; ``reason``: why
    the host cannot have it from there, "" where it can."""

    kind: str
    place: str
    reason: str = ""


@dataclass(frozen=True)
class OwnKey:
    """A private key of the laptop that the profile names. ``bits``: 0 where its kind says it."""

    path: str
    kind: str  # ssh-ed25519, ssh-rsa …
    bits: int = 0
    encrypted: bool = True


@dataclass(frozen=True)
class Examined:
    """Everything that is known of a host. ``forwarding``: of tcp and socket what the server said
    to a channel, "" where it opens them; ``clock_s``: the host's clock minus the laptop's."""

    host: str
    profile: Profile | None = None
    failure: Failure | None = None
    facts: HostFacts | None = None
    seen: Seen | None = None
    noise: str = ""  # what the login shell printed by itself
    forwarding: Pairs = ()
    outward: tuple[Outward, ...] | None = None
    keys: tuple[OwnKey, ...] = ()
    agreed: dict[str, str] = field(default_factory=dict)
    clock_s: float = 0.0

    @property
    def inside(self) -> bool:
        """Whether the login was done."""
        return self.failure is None or self.failure.inside


def seen_from(fields: Fields) -> Seen:
    """What is absurd is left out."""
    return Seen(
        folders=_each(fields, "folder", _folder),
        jupyters=_each(fields, "jupyter", _jupyter),
        servers=_each(fields, "server", _server),
        sockets=_each(fields, "socket", answers.socket),
        unanswered=tuple(each for each in _PARTS if each not in fields.get("answered", [])),
    )


def _each(fields: Fields, key: str, parse: Callable[[str], T | None]) -> tuple[T, ...]:
    return tuple(found for line in answers.lines(fields, key) if (found := parse(line)))


def _folder(line: str) -> Folder | None:
    words = line.split("\t")
    if len(words) != 8 or not answers.path(words[1]):
        return None
    free, total, inodes = (answers.integer(word, -1) for word in words[3:6])
    if free is None or total is None or inodes is None:
        return None
    runs, writable = words[6] != "noexec", words[7] == "yes"
    shown = answers.clean(words[0], 20), words[1], answers.clean(words[2], 60)
    return Folder(*shown, free, total, inodes, runs, writable)


def _jupyter(line: str) -> Jupyter | None:
    prefix, _, version = line.partition("\t")
    good = answers.path(prefix) and _VERSION.fullmatch(version)
    return Jupyter(prefix, version) if good else None


def _server(line: str) -> Server | None:
    words = line.split("\t")
    if len(words) != 4 or not re.fullmatch(r"every|loopback|[0-9A-F]{8,32}", words[1]):
        return None
    pid, port = answers.integer(words[0], 1), answers.integer(words[2], 1, 65535)
    return Server(pid, words[1], port, words[3] == "open") if pid and port else None
