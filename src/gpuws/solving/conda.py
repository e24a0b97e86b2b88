"""Specs and channels → locked conda packages, by py-rattler (the extra ``gpuws[lock]``)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuws.errors import GpuwsError
from gpuws.plan.lock import LockedPackage
from gpuws.plan.mirrors import canonical, home
from gpuws.plan.model import Mirror, Pairs
from gpuws.plan.naming import public

_DEFAULTS = ("pkgs/main", "pkgs/r")


@dataclass(frozen=True)
class Solved:
    packages: tuple[LockedPackage, ...]
    download_bytes: int
    without_cuda: tuple[str, ...] = ()  # names that also have builds which need __cuda


def solve(
    specs: Sequence[str],
    channels: Sequence[str],
    platform: str,
    virtual: Pairs,
    mirror: Mirror | None = None,
    *,
    keep: Sequence[LockedPackage] = (),
    cache: Path,
) -> Solved:
    """The newest packages that fit, channels in strict order of priority. ``keep``: those that stay
    where they still fit. ``cache``: a folder for the channels' indexes.

    Raises no-solver without the extra, unsatisfiable with the solver's words in ``detail``,
    channel-unreachable, environment-file-invalid.
    """
    rattler = _rattler()
    sources = _sources(channel_urls(channels), specs)
    wanted = [_spec(rattler, text) for text in specs]
    gateway = rattler.Gateway(cache_dir=cache)
    platforms = [platform, "noarch"]

    async def solved() -> tuple[Any, tuple[str, ...]]:
        found = await rattler.solve(
            sources,
            wanted,
            gateway=gateway,
            platforms=platforms,
            virtual_packages=[_virtual(rattler, *pair) for pair in virtual],
            locked_packages=await _still_there(gateway, sources, platforms, keep, mirror),
        )
        asked = [] if "__cuda" in dict(virtual) else [spec.name.normalized for spec in wanted]
        return found, await _for_drivers(gateway, sources, platforms, asked)

    try:
        records, for_drivers = asyncio.run(solved())
    except rattler.exceptions.SolverError as error:
        raise _unsatisfiable(str(error)) from None
    except rattler.exceptions.GatewayError as error:
        raise _unreachable(str(error)) from None
    packages = sorted((_locked(each, mirror) for each in records), key=lambda each: each.name)
    return Solved(tuple(packages), sum(each.size or 0 for each in records), for_drivers)


def _rattler() -> Any:  # noqa: ANN401 - the extra's module
    try:
        import rattler
        import rattler.exceptions
    except ImportError:
        raise GpuwsError(
            "no-solver",
            "locking solves on this laptop, which needs py-rattler",
            hint="pip install 'gpuws[lock]'",
        ) from None
    return rattler


def channel_urls(channels: Sequence[str]) -> tuple[str, ...]:
    """Addresses in order. No channel at all is conda-forge, as where gpuws brings micromamba."""
    named = [each for each in channels if each != "nodefaults"] or ["conda-forge"]
    urls: list[str] = []
    for each in named:
        urls += map(_url, _DEFAULTS if each == "defaults" else (each,))
    return tuple(dict.fromkeys(urls))


def _url(channel: str) -> str:
    return Path(channel).as_uri() if channel.startswith("/") else home(channel)


def _sources(urls: tuple[str, ...], specs: Sequence[str]) -> list[str]:
    """With the channels that single specs name (``nvidia::cuda-nvcc``)."""
    named = (text.rpartition("::")[0] for text in specs if "::" in text)
    return list(dict.fromkeys([*urls, *map(_url, named)]))


def _spec(rattler: Any, text: str) -> Any:  # noqa: ANN401
    channel, colons, rest = text.rpartition("::")
    try:
        spec = rattler.MatchSpec(rest, strict=False)
        return rattler.MatchSpec(f"{_url(channel)}::{spec}", strict=False) if colons else spec
    except rattler.exceptions.InvalidMatchSpecError as error:
        raise GpuwsError(
            "environment-file-invalid",
            f"the solver cannot read the package spec {text}: {error}",
            hint="`up` gives it to the host's own tool, which may",
            stage="environment",
        ) from None


def _virtual(rattler: Any, name: str, version: str) -> Any:  # noqa: ANN401
    number, build = ("1", version) if name == "__archspec" else (version, "0")
    return rattler.GenericVirtualPackage(
        rattler.PackageName(name), rattler.Version(number), rattler.BuildString(build)
    )


async def _still_there(
    gateway: Any,  # noqa: ANN401
    sources: list[str],
    platforms: list[str],
    keep: Sequence[LockedPackage],
    mirror: Mirror | None,
) -> list[Any]:
    """The channels' own records of locked packages; one that was withdrawn is not kept."""
    if not keep:
        return []
    names = [each.name for each in keep]
    found = await gateway.query(sources, platforms, names, recursive=False)
    records = {canonical(record.url, mirror): record for records in found for record in records}
    return [records[each.url] for each in keep if each.url in records]


async def _for_drivers(
    gateway: Any,  # noqa: ANN401
    sources: list[str],
    platforms: list[str],
    names: Sequence[str],
) -> tuple[str, ...]:
    """Those of the names that the channels also have in a build for a driver."""
    if not names:
        return ()
    found = await gateway.query(sources, platforms, names, recursive=False)
    return tuple(
        sorted(
            {
                record.name.normalized
                for records in found
                for record in records
                if any(text.startswith("__cuda") for text in record.depends)
            }
        )
    )


def _locked(record: Any, mirror: Mirror | None) -> LockedPackage:  # noqa: ANN401
    depends = (text.partition(" ") for text in record.depends)
    return LockedPackage(
        manager="conda",
        name=record.name.normalized,
        version=str(record.version),
        url=canonical(record.url, mirror),
        sha256=record.sha256.hex() if record.sha256 else "",
        md5=record.md5.hex() if record.md5 else "",
        build=str(record.build),
        depends=tuple(sorted({name: said for name, _, said in depends}.items())),
    )


# --- failures ----------------------------------------------------------------------------------


def _unsatisfiable(said: str) -> GpuwsError:
    words = (said.partition("because of: ")[2] or said).strip()
    return GpuwsError(
        "unsatisfiable",
        "the file's packages cannot be had together on that host",
        hint="loosen the pins that the text above names, or add the channel that has the package",
        stage="environment",
        detail=public(words),
    )


def _unreachable(said: str) -> GpuwsError:
    return GpuwsError(
        "channel-unreachable",
        "a channel cannot be read from this laptop",
        hint="is it spelled right? `mirror:` in hosts.yaml names another place; the proxy "
        "variables of this laptop are honoured",
        stage="environment",
        detail=public(said),
        retryable=True,
    )
