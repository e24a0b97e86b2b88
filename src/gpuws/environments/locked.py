"""A lock as the lists that conda tools, pip and uv install from without solving. Pure."""

from __future__ import annotations

import re

from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.model import Pairs
from gpuws.plan.naming import public

File = tuple[str, str, str]
"""Name below builds/<hash>/, mode in octal, text."""

_INDEX = re.compile(
    r"\s*(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host|--no-index|--pre)\b"
)


def locked_files(
    lock: Lock | None,
    channels: tuple[str, ...],
    requirements: tuple[str, ...],
    included: Pairs,
    sent: Pairs = (),
) -> tuple[File, ...]:
    """explicit.txt and explicit-md5.txt for conda tools (older ones know no sha256), locked.txt and
    locked-vcs.txt for pip, and the names of what must be there afterwards.

    ``channels`` may hold the credentials that a lock never has. ``sent``: archives that are files
    of the host, by address; then nothing is asked of any index.
    """
    if lock is None:
        return ()
    lines = (*requirements, *(line for _, text in included for line in text.splitlines()))
    files = {address: f"file://{path}" for address, path in sent}
    options = _from_files(files) if files else [line for line in lines if _INDEX.match(line)]
    hashed = [_pip_line(each, files) for each in lock.of("pip") if each.sha256]
    vcs = [f"{each.name} @ {each.url}" for each in lock.of("pip") if not each.sha256]
    conda = [(each, files.get(each.url) or addressed(each, channels)) for each in lock.of("conda")]
    return (
        ("explicit.txt", "600", _explicit([f"{url}#{_sha256(each)}" for each, url in conda])),
        ("explicit-md5.txt", "600", _explicit([f"{url}#{each.md5}" for each, url in conda])),
        ("locked.txt", "600", _text([*options, *hashed] if hashed else [])),
        ("locked-vcs.txt", "600", _text([*options, *vcs] if vcs else [])),
        ("conda-locked", "600", _text([_record(each) for each, _ in conda])),
        ("pip-locked", "600", _text([each.name for each in lock.of("pip")])),
    )


def _from_files(files: dict[str, str]) -> list[str]:
    folders = dict.fromkeys(url.rpartition("/")[0] for url in files.values())
    return ["--no-index", *(f"--find-links {folder}" for folder in folders)]


def _pip_line(package: LockedPackage, files: dict[str, str]) -> str:
    """By version and hash, so that any index serves; by address where no index has it."""
    address = files.get(package.url, package.url)
    what = f" @ {address}" if package.direct else f"=={package.version}"
    return f"{package.name}{what} --hash=sha256:{package.sha256}"


def addressed(package: LockedPackage, channels: tuple[str, ...]) -> str:
    """The address with the credentials of the channel that it comes from."""
    for channel in channels:
        bare = public(channel).rstrip("/") + "/"
        if bare != channel.rstrip("/") + "/" and package.url.startswith(bare):
            return channel.rstrip("/") + "/" + package.url[len(bare) :]
    return package.url


def _sha256(package: LockedPackage) -> str:
    return f"sha256:{package.sha256}" if package.sha256 else package.md5


def _record(package: LockedPackage) -> str:
    """The name of its file in conda-meta, without .json."""
    return re.sub(r"(\.conda|\.tar\.bz2)$", "", package.file)


def _explicit(lines: list[str]) -> str:
    return _text(["@EXPLICIT", *lines]) if lines else ""


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)
