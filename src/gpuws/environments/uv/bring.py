"""uv onto a host that has none: its wheel from the package index, sha256 checked, without pip."""

from __future__ import annotations

import html.parser
import io
import json
import os
import re
import urllib.parse
import zipfile
from dataclasses import dataclass

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
from gpuws.plan.mirrors import PYPI
from gpuws.plan.model import Tool
from gpuws.plan.ports import Host, Progress
from gpuws.plan.virtual import glibc_minor

_FILE = re.compile(r"uv-(\d[\d.]*)-py3-none-(.+)\.whl")


def bring(host: Host, order: BuildOrder, progress: Progress, fetch: Fetch | None) -> Tool:
    """The uv in <root>/tools/bin: fetched by the host itself, else by the laptop.

    Raises wrong-hash, unsupported-platform, or channel-unreachable with what was tried.
    """
    program = script(
        "gpuws.environments.uv",
        "gpuws.environments:mark.sh",
        "gpuws.environments:sha256.sh",
        "gpuws.environments:download.sh",
        "gpuws.environments:take.sh",
        "pip_settings.sh",
        "bring.sh",
    )
    about = (order.root, order.facts.machine, str(glibc_minor(order.facts)))
    asked = (*about, order.pip_index or "", PYPI)
    answers: dict[str, list[str]] = {}
    if not order.offline:
        answers = fields(host.run(program, *asked, timeout=900.0), "environment")
    tool = from_answers("uv", answers)
    misses = [f"host: {text}" for text in answers.get("miss", ())]
    if tool is None and fetch is not None:
        progress.line("the laptop fetches uv and sends it")
        tool = _through_laptop(host, order, fetch, misses)
    if tool is None:
        raise not_brought(
            "uv", misses, "pip_index: in hosts.yaml names an index that the host can reach"
        )
    progress.note(f"{tool.version} was brought to {tool.path}")
    return tool


# --- through the laptop --------------------------------------------------------------------


@dataclass(frozen=True)
class Wheel:
    url: str
    sha256: str
    order: tuple[int, ...]  # version, then how close the build is to the host


def _through_laptop(host: Host, order: BuildOrder, fetch: Fetch, misses: list[str]) -> Tool | None:
    index = (order.pip_index or os.environ.get("PIP_INDEX_URL") or PYPI).rstrip("/")
    page = try_fetch(fetch, f"{index}/uv/", misses)
    if page is None:
        return None
    found = newest(page, f"{index}/uv/", order.facts.machine, glibc_minor(order.facts))
    if found is None:
        misses.append(f"laptop: {public(index)} lists no uv wheel for {order.facts.machine}")
        return None
    data = try_fetch(fetch, found.url, misses)
    if data is None:
        return None
    check_sha256(data, found.sha256, public(found.url))
    placed = script("gpuws.environments", "mark.sh", "sha256.sh", "download.sh", "sent.sh")
    return from_answers("uv", send(host, placed, order.root, "uv", unpacked(data)))


def newest(page: bytes, base: str, machine: str, minor: int) -> Wheel | None:
    """The newest wheel for the host on a simple index page, HTML (PEP 503) or JSON (PEP 691)."""
    wheels = []
    for href, digest in _links(page):
        url = urllib.parse.urljoin(base, href)
        name = _FILE.fullmatch(urllib.parse.unquote(url.rsplit("/", 1)[-1]))
        rank = _rank(name[2], machine, minor) if name else 0
        if name and rank and re.fullmatch("[0-9a-f]{64}", digest):
            numbers = [int(part) for part in name[1].split(".") if part]
            padded = tuple(numbers + [0] * (4 - len(numbers)))[:4]
            wheels.append(Wheel(url, digest, (*padded, rank)))
    return max(wheels, key=lambda each: each.order) if wheels else None


def _rank(tags: str, machine: str, minor: int) -> int:
    """2: made for this glibc; 1: static, runs anywhere; 0: not for this host."""
    ranks = [0]
    for tag in tags.split("."):
        if tag.startswith("musllinux_1_") and tag.endswith("_" + machine):
            ranks.append(1)
        many = re.fullmatch(rf"manylinux_2_(\d+)_{re.escape(machine)}", tag)
        if many and int(many[1]) <= minor:
            ranks.append(2)
    return max(ranks)


def _links(page: bytes) -> list[tuple[str, str]]:
    """(href without its fragment, sha256) of what is not yanked."""
    text = page.decode("utf-8", "replace")
    if text.lstrip().startswith("{"):
        return _json_links(text)
    parser = _Anchors()
    parser.feed(text)
    return parser.found


def _json_links(text: str) -> list[tuple[str, str]]:
    try:
        files = json.loads(text).get("files", [])
        return [(f["url"], f["hashes"]["sha256"]) for f in files if not f.get("yanked")]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        href, _, fragment = (values.get("href") or "").partition("#")
        if tag == "a" and "data-yanked" not in values and fragment.startswith("sha256="):
            self.found.append((href, fragment.removeprefix("sha256=")))


def unpacked(wheel: bytes) -> bytes:
    """The executable out of the wheel."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            names = [n for n in archive.namelist() if re.fullmatch(r"uv-[^/]*\.data/scripts/uv", n)]
            if names:
                return archive.read(names[0])
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise GpuwsError(
            "environment-failed",
            "the uv wheel cannot be unpacked",
            hint="try another index",
            stage="environment",
            detail=str(error),
        ) from error
    raise GpuwsError("environment-failed", "the uv wheel has no executable")
