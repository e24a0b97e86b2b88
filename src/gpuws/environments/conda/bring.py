"""micromamba onto a host that has no conda tool: a conda package, its sha256 checked."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from gpuws.environments.choose import tool_channels
from gpuws.environments.fetching import (
    Fetch,
    check_sha256,
    from_answers,
    not_brought,
    public,
    send,
    try_fetch,
)
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.mirrors import home
from gpuws.plan.model import Tool
from gpuws.plan.ports import Host, Progress
from gpuws.plan.virtual import platform_of

_FILE = re.compile(r"micromamba-(\d[\d.]*)-([0-9A-Za-z_]*?)(\d*)\.tar\.bz2")


def bring(host: Host, order: BuildOrder, progress: Progress, fetch: Fetch | None) -> Tool:
    """The micromamba in <root>/tools/bin: fetched by the host itself, else by the laptop.

    Raises wrong-hash, unsupported-platform, or channel-unreachable with what was tried.
    """
    subdir = platform_of(order.facts)
    named = tool_channels(order.channels, order.spec.channels)
    names = tuple(map(order.source, named))
    program = script(
        "gpuws.environments.conda",
        "gpuws.environments:mark.sh",
        "gpuws.environments:sha256.sh",
        "gpuws.environments:download.sh",
        "gpuws.environments:take.sh",
        "alias.sh",
        "bring.sh",
    )  # its downloads are bounded by themselves, 280 s each
    answers: dict[str, list[str]] = {}
    if not order.offline:
        reply = host.run(program, order.root, subdir, *names, timeout=900.0)
        answers = fields(reply, "environment")
    tool = from_answers("micromamba", answers)
    misses = [f"host: {text}" for text in answers.get("miss", ())]
    if tool is None and fetch is not None:
        progress.line("the laptop fetches micromamba and sends it")
        tool = _through_laptop(host, order, subdir, names, fetch, misses)
    if tool is None:
        raise not_brought(
            "micromamba",
            misses,
            "name a channel that the host or this laptop can reach (channels: in hosts.yaml), or "
            "install conda, mamba or micromamba on the host",
        )
    progress.note(f"micromamba {tool.version} was brought to {tool.path}")
    return tool


# --- through the laptop --------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    file: str
    sha256: str
    version: tuple[int, ...]


def _through_laptop(
    host: Host,
    order: BuildOrder,
    subdir: str,
    names: tuple[str, ...],
    fetch: Fetch,
    misses: list[str],
) -> Tool | None:
    for name in names:
        home = f"{channel_url(name)}/{subdir}"
        listed = _newest_of(home, fetch, misses)
        data = try_fetch(fetch, f"{home}/{listed.file}", misses) if listed else None
        if listed is None or data is None:
            continue
        check_sha256(data, listed.sha256, f"{public(home)}/{listed.file}")
        binary = unpacked(data)
        placed = script("gpuws.environments", "mark.sh", "sha256.sh", "download.sh", "sent.sh")
        return from_answers("micromamba", send(host, placed, order.root, "micromamba", binary))
    return None


def channel_url(name: str) -> str:
    return name.rstrip("/") if name.startswith("/") else home(name)


def _newest_of(home: str, fetch: Fetch, misses: list[str]) -> Listed | None:
    for index in ("current_repodata.json", "repodata.json"):
        data = try_fetch(fetch, f"{home}/{index}", misses)
        found = newest(data) if data is not None else None
        if found:
            return found
    return None


def newest(repodata: bytes) -> Listed | None:
    """The newest micromamba .tar.bz2 of an index. (.conda is zstd, which few laptops can read.)"""
    try:
        packages = json.loads(repodata)["packages"]
    except (ValueError, KeyError, TypeError):
        return None
    found = list(_listed(packages)) if isinstance(packages, dict) else []
    return max(found, key=lambda each: each.version) if found else None


def _listed(packages: dict[str, object]) -> Iterator[Listed]:
    for file, record in packages.items():
        named = _FILE.fullmatch(file)
        digest = record.get("sha256") if isinstance(record, dict) else None
        if not named or not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            continue
        numbers = [int(part) for part in named[1].split(".") if part]
        padded = tuple(numbers + [0] * (4 - len(numbers)))[:4]
        yield Listed(file, digest, (*padded, int(named[3] or 0)))


def unpacked(package: bytes) -> bytes:
    """bin/micromamba out of a .tar.bz2 package."""
    try:
        with tarfile.open(fileobj=io.BytesIO(package), mode="r:bz2") as archive:
            member = archive.extractfile("bin/micromamba")
            if member:
                return member.read()
    except (tarfile.TarError, OSError, KeyError, EOFError) as error:
        raise GpuwsError(
            "environment-failed",
            "the micromamba package cannot be unpacked",
            hint="try another channel",
            stage="environment",
            detail=str(error),
        ) from error
    raise GpuwsError("environment-failed", "the micromamba package has no bin/micromamba")
