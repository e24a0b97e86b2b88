"""From specs and channels to records, with the machine's virtual packages."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import rattler
from rattler.exceptions import GatewayError, InvalidMatchSpecError, SolverError

from .settings import Settings

Record = rattler.RepoDataRecord


class Unreachable(Exception):
    """A channel's index could not be loaded."""


class Unsolvable(Exception):
    """The specs cannot all be met; the text is rattler's explanation."""


def virtual_packages() -> list[rattler.GenericVirtualPackage]:
    """What the machine has; CONDA_OVERRIDE_* win, __cuda is asked of the toolkit and nvidia-smi."""
    overrides = rattler.VirtualPackageOverrides.from_env()
    if "CONDA_OVERRIDE_CUDA" not in os.environ:
        cuda = _cuda()
        overrides.cuda = rattler.Override.string(cuda) if cuda else None
    found = rattler.VirtualPackage.detect(overrides)
    return [package.into_generic() for package in found]


def _cuda() -> str:
    version = Path("/usr/local/cuda/version.json")
    if version.is_file():
        numbers = json.loads(version.read_text()).get("cuda", {}).get("version", "")
        return ".".join(str(numbers).split(".")[:2])
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query", "-u", "-x"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=30)
    match = re.search(r"<cuda_version>([0-9.]+)</cuda_version>", asked.stdout)
    return match[1] if match else ""


def solve(
    specs: list[str],
    channels: list[str],
    settings: Settings,
    *,
    installed: list[Record] | None = None,
    offline: bool = False,
) -> list[Record]:
    """Records in no particular order. ``channels`` are URLs; ``X::spec`` adds channel X."""
    urls = list(channels)
    parsed = [_spec(text, urls, settings) for text in specs]
    if offline:
        urls = [url for url in urls if url.startswith("file:")]
    cache = settings.packages() / "cache"
    plain = rattler.SourceConfig(sharded_enabled=False, zstd_enabled=False, bz2_enabled=False)
    gateway = rattler.Gateway(cache_dir=cache, default_config=plain)
    try:
        return asyncio.run(
            rattler.solve(
                urls,
                parsed,
                gateway=gateway,
                virtual_packages=virtual_packages(),
                locked_packages=installed,
            )
        )
    except GatewayError as error:
        raise Unreachable(str(error)) from None
    except SolverError as error:
        text = str(error).partition("because of: ")[2] or str(error)
        raise Unsolvable(text.strip()) from None


def _spec(text: str, urls: list[str], settings: Settings) -> rattler.MatchSpec:
    channel, colons, rest = text.partition("::")
    try:
        if not colons:
            return rattler.MatchSpec(text, strict=False)
        url = settings.channel_urls([channel.rsplit("/", 1)[0] if _subdir(channel) else channel])
        urls += [found for found in url if found not in urls]
        spec = rattler.MatchSpec(rest, strict=False)
        return rattler.MatchSpec(f"{url[0]}::{spec}", strict=False)
    except InvalidMatchSpecError as error:
        raise Unsolvable(f"invalid spec {text!r}: {error}") from None


def _subdir(channel: str) -> bool:
    return channel.rsplit("/", 1)[-1] in ("noarch", str(rattler.Subdir.current()))
