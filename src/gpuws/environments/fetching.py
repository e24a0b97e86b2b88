"""What the bringers of tools share: the host's answer, and the way through the laptop."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import one_line
from gpuws.plan.model import Tool
from gpuws.plan.ports import Host, Script

Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Arriving:
    """A file on its way to the laptop. ``begins``: which byte of it ``blocks`` begin with."""

    begins: int
    blocks: Iterator[bytes]


class Download(Protocol):
    """Opens an address at a byte, which a server may ignore. Raises channel-unreachable, also
    while the blocks are read."""

    def __call__(self, url: str, begin: int = 0) -> AbstractContextManager[Arriving]: ...


def from_answers(name: str, answers: dict[str, list[str]]) -> Tool | None:
    """The tool that a bring.sh placed, or None where it only has reasons."""
    if not answers.get("path"):
        return None
    version = one_line(answers.get("version", [""])[-1], 60)
    return Tool(name, answers["path"][-1], version)


def public(url: str) -> str:
    """For messages: without credentials, a channel's token among them."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = re.sub(r"/t/[^/]+(?=/|$)", "", parts.path)
    return urllib.parse.urlunsplit((parts.scheme, host, path, "", ""))


def try_fetch(fetch: Fetch, url: str, misses: list[str]) -> bytes | None:
    """The file, or None with a line in ``misses``. Only http and https leave the laptop."""
    if not url.startswith(("http://", "https://")):
        return None
    try:
        return fetch(url)
    except GpuwsError as error:
        misses.append(f"laptop: {public(url)}: {error.message}")
    except OSError as error:
        misses.append(f"laptop: {public(url)}: {one_line(str(error), 200)}")
    return None


def check_sha256(data: bytes, expected: str, what: str) -> None:
    """Raise wrong-hash where ``data`` is not what the index promised."""
    found = hashlib.sha256(data).hexdigest()
    if found == expected:
        return
    raise GpuwsError(
        "wrong-hash",
        f"{what} is not what its index promises: sha256 {found}",
        hint="the mirror is stale or something on the way changed the file; nothing of it was used",
        stage="environment",
    )


def send(host: Host, placed: Script, root: str, name: str, data: bytes) -> dict[str, list[str]]:
    """Upload an executable into tools/bin and ask whether it runs there."""
    from gpuws.host.script import fields

    fields(host.run(placed, root, name, "folder"), "environment")
    host.upload(data, f"{root}/tools/bin/{name}", mode=0o755)
    return fields(host.run(placed, root, name, "try", timeout=90.0), "environment")


def not_brought(name: str, misses: list[str], hint: str) -> GpuwsError:
    return GpuwsError(
        "no-downloader" if not misses else "channel-unreachable",
        f"{name} cannot be brought to the host",
        hint=hint,
        stage="environment",
        detail="\n".join(one_line(each, 300) for each in misses[-30:]),
        retryable=True,
    )
