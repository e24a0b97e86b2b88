"""Names, hashes and addresses that follow from what the user declared. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from gpuws.errors import GpuwsError
from gpuws.plan import local
from gpuws.plan.model import EnvironmentSpec, Kept

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")
FIRST_LOCAL_PORT = 8888
_LAST_LOCAL_PORT = 9887

_HASH_FORMAT = 1  # raise it when the same declaration must be built anew
_RESERVED = frozenset({"base", "root"})
# Windows laptops cannot have files with these names, with or without an extension.
_DEVICES = re.compile(r"(con|nul|prn|aux|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{16}")
_COMMENT = re.compile(r"(^|\s+)#.*$")  # as pip has it
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"]+@|/t/[^/\s]+(?=/)")


def check_name(text: str) -> str:
    """The workspace name as it is, or a refusal that says what to type instead."""
    fault = _fault(text)
    if not fault:
        return text
    shown = text if text.isprintable() and len(text) <= 60 else repr(text[:60])
    raise GpuwsError(
        "bad-name",
        f"{shown} cannot name a workspace: {fault}",
        hint=f"choose one with --name, for example --name {_slug(text)}",
    )


def _fault(text: str) -> str:
    if not text:
        return "it is empty"
    if len(text) > 41:
        return f"it has {len(text)} characters, 41 at most"
    if not NAME.fullmatch(text):
        return "only letters, digits, '.', '_' and '-', and a letter or digit first"
    if text.endswith("."):
        return "it ends in a dot"
    if text.lower() in _RESERVED or _DEVICES.fullmatch(text):
        return "that word is reserved"
    return "it looks like the hash of an environment" if _DIGEST.fullmatch(text) else ""


def workspace_name(flag: str | None, spec_name: str | None, folder_name: str) -> tuple[str, str]:
    """(name, where it comes from): --name, else the environment file's, else the folder's.

    A folder may be called anything, so its name is written in a form that is allowed, and the
    source says so; the other two are the user's own words and are refused instead.
    """
    if flag is not None:
        return check_name(flag), "--name"
    if spec_name is not None:
        return check_name(spec_name), "the environment file's name"
    if not _fault(folder_name):
        return folder_name, "the folder's name"
    name = _slug(folder_name)
    return name, f"the folder's name, written as {name}"


def _slug(text: str) -> str:
    """The nearest allowed name; one made from a hash where no letter could be kept."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:41].strip("-._")
    if not kept:
        return unit_id("project", text)
    return f"ws-{kept[:38]}".rstrip("-._") if _fault(kept) else kept


def unit_id(prefix: str, text: str) -> str:
    """A short folder name for sockets, e.g. ``w-1a2b3c4d``: the same for the same text."""
    return f"{prefix}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def base_url(random_hex: str) -> str:
    """Jupyter's base_url from 16 random hex digits, ``/w-<16 hex>/``."""
    if not _DIGEST.fullmatch(random_hex):
        raise ValueError("base_url takes 16 hex digits")
    return f"/w-{random_hex}/"


def local_port_for(name: str, kept: Mapping[str, int] | None = None) -> int:
    """The local port to try first: the one kept for this name, else the first from 8888 on that
    no other name keeps. The same question has the same answer."""
    known = kept or {}
    if name in known:
        return known[name]
    others = set(known.values())
    ports = range(FIRST_LOCAL_PORT, _LAST_LOCAL_PORT + 1)
    return next((port for port in ports if port not in others), FIRST_LOCAL_PORT)


def environment_hash(
    spec: EnvironmentSpec,
    *,
    extra: tuple[str, ...],
    machine: str,
    channels: tuple[str, ...],
    pip_index: str | None,
    kept: Kept | None = None,
) -> str:
    """16 hex digits: the same for declarations that ask for the same environment.

    Name, prefix, comments, blank space, the order of conda packages and of variables, and
    credentials inside URLs do not count. The order of channels and of pip's lines does, and so
    does what local code holds. ``extra`` is what gpuws brings beside the list, ``machine`` the
    host's (x86_64). Local code must have been placed. What is ``kept`` of an environment before
    makes it another one than the declaration alone.
    """
    through_pip = bool(spec.kind == "pip" or spec.pip)
    content = {
        **declaration(spec, extra),
        "format": _HASH_FORMAT,
        "machine": machine,
        "channels": [[public(each) for each in spec.channels], [public(c) for c in channels]],
        "pip_index": public(pip_index or "") if through_pip else "",
        "variables": dict(spec.variables),
    }
    if spec.local:
        content["local"] = local.content(spec.local)
    if kept:
        content["kept"] = [sorted(kept.conda), sorted(kept.pip), kept.renews]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def declaration(spec: EnvironmentSpec, extra: tuple[str, ...]) -> dict[str, object]:
    """What a solver is told, in a form that is the same for the same question."""
    return {
        "kind": spec.kind,
        "conda": sorted({" ".join(each.split()) for each in spec.conda}),
        "pip": _requirements(spec.pip),
        "pip_files": {name: _requirements(text.splitlines()) for name, text in spec.pip_files},
        "python": spec.python,
        "extra": sorted(set(extra)),
    }


def _requirements(written: Iterable[str]) -> list[str]:
    bare = (_COMMENT.sub("", line).strip() for line in written)
    return [public(line) for line in bare if line]


def public(url: str) -> str:
    """A URL, or a line with one, without the credentials in it."""
    return _CREDENTIALS.sub("", url.strip())


_PACKAGE = re.compile(r"(?:[^:\s]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")


def package_name(text: str) -> str:
    """Which package a conda spec or a requirement is about, as pip compares names; "" for a line
    that is about none, such as an option."""
    found = _PACKAGE.match(text.strip())
    return found[1].lower().replace("_", "-") if found else ""
