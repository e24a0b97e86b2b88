"""A forward beside Jupyter's: what a person writes for it, and how it is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gpuws.plan import answers
from gpuws.plan.model import NamedForward, ReverseForward, Target
from gpuws.plan.naming import FIRST_LOCAL_PORT, NAME

JUPYTER = "jupyter"
"""The name of the forward that every workspace with a Jupyter has."""

MOST = 16  # of one workspace: a host that lists more is not believed
KNOWN = {6006: "tensorboard", 5000: "mlflow", 8265: "ray", 8787: "dask", 7860: "gradio"}

_NUMBER = r"[1-9][0-9]{0,4}"
_HOST = r"\[[0-9A-Fa-f:.]+\]|(?=[^:]*[^0-9:])[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"
_REMOTE = rf"(?:(?P<host>{_HOST}):)?(?P<port>{_NUMBER})|(?P<socket>/.*)"
_WORDS = re.compile(rf"(?:(?P<local>{_NUMBER}):)?(?:{_REMOTE})")
_FORMS = "6006, 8890:6006, node7:6006 or /path/to/socket, as the host sees them"


def forward_from(words: str, name: str | None = None) -> NamedForward:
    """``[LOCAL:]REMOTE`` as a forward; without ``name`` one that fits what it leads to.

    Raises ValueError with "message" or "message, newline, hint".
    """
    found = _WORDS.fullmatch(words)
    target = _target(found) if found else None
    if found is None or target is None:
        raise ValueError(f"{_shown(words)} leads nowhere\nwrite {_FORMS}")
    local = int(found["local"]) if found["local"] else None
    if local is not None and not 1024 <= local <= 65535:
        raise ValueError(f"{local} is no local port from 1024 to 65535")
    return NamedForward(_default_name(target) if name is None else checked(name), target, local)


def _target(found: re.Match[str]) -> Target | None:
    """None for what cannot be true: a port above 65535, a path that no socket can have."""
    if found["socket"]:
        path = answers.socket(found["socket"])
        return Target(socket=path) if path else None
    host = (found["host"] or "127.0.0.1").strip("[]")
    port = int(found["port"])
    return Target(host=host, port=port) if port < 65536 else None


def checked(name: str) -> str:
    """The name as it is. Raises ValueError."""
    if name == JUPYTER:
        raise ValueError(f"{JUPYTER} is the name of the workspace's own forward")
    if not NAME.fullmatch(name):
        raise ValueError(f"{_shown(name)} cannot name a forward: letters, digits, '.', '_', '-'")
    return name


def _default_name(target: Target) -> str:
    """A known service's, else the port, else the socket's file."""
    if not target.socket:
        return KNOWN.get(target.port, str(target.port))
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", target.socket.rpartition("/")[2]).strip("-._")[:41]
    return kept if NAME.fullmatch(kept) and kept != JUPYTER else "socket"


def _shown(text: str) -> str:
    return text if text.isprintable() and 0 < len(text) <= 60 else repr(text[:60])


def remote_of(target: Target) -> str:
    """REMOTE, as short as it can be written."""
    if target.socket:
        return target.socket
    host = f"[{target.host}]" if ":" in target.host else target.host
    return str(target.port) if host == "127.0.0.1" else f"{host}:{target.port}"


def words_of(forward: NamedForward) -> str:
    """``[LOCAL:]REMOTE``: what ``forward_from`` reads."""
    local = f"{forward.local_port}:" if forward.local_port else ""
    return local + remote_of(forward.target)


def believed(pairs: Iterable[tuple[str, str]]) -> tuple[NamedForward, ...]:
    """What a host says was asked for: (name, words) each; what cannot be meant is left out."""
    found = []
    for name, words in pairs:
        try:
            found.append(forward_from(words, name))
        except ValueError:
            continue
    return joined(found)


def reverse_from(words: str, name: str) -> ReverseForward:
    """``REMOTE_PORT:LOCAL_PORT``. Raises ValueError as ``forward_from`` does."""
    found = re.fullmatch(rf"({_NUMBER}):({_NUMBER})", words)
    remote, local = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (1024 <= remote <= 65535 and 0 < local <= 65535):
        hint = "write 3128:3128: the host's port from 1024 on, then the laptop's"
        raise ValueError(f"{_shown(words)} does not lead back\n{hint}")
    return ReverseForward(checked(name), remote, local)


def joined(*groups: Iterable[NamedForward]) -> tuple[NamedForward, ...]:
    """Each name once, as the first group has it."""
    found: dict[str, NamedForward] = {}
    for each in (each for group in groups for each in group):
        found.setdefault(each.name, each)
    return tuple(found.values())[:MOST]


def first_port(forward: NamedForward, kept: int | None) -> int:
    """The local port to try first: the one written down, the one it had, the remote's number."""
    if forward.local_port or kept:
        return forward.local_port or kept or 0
    port = forward.target.port
    if not port:
        return FIRST_LOCAL_PORT + 1  # a socket has no number; the first one is Jupyter's
    return port if port >= 1024 else 8000 + port


# --- how it is told -------------------------------------------------------------------------------


def told(forward: NamedForward) -> dict[str, Any]:
    """One that is not open here, as `status --json` lists it."""
    return {
        "name": forward.name,
        "remote": remote_of(forward.target),
        "local_port": None,
        "state": "closed",
        "reason": "",
        "connections": 0,
        "bytes_in": 0,
        "bytes_out": 0,
    }


def words(forward: Mapping[str, Any]) -> str:
    """The same for a person."""
    if forward["local_port"] is None:
        return f"{forward['remote']} on the host, {forward['state']}"
    reason = f": {forward['reason']}" if forward["reason"] else ""
    way = f"127.0.0.1:{forward['local_port']} → {forward['remote']} on the host"
    return f"{way}, {forward['state']}{reason}"
