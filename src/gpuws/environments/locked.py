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
    code: tuple[str, ...] = (),
) -> tuple[File, ...]:
    """explicit.txt and explicit-md5.txt for conda tools (older ones know no sha256), locked.txt,
    locked-vcs.txt and locked-code.txt (the lines ``code``) for pip, and the names of what must be
    there afterwards.

    ``channels`` may hold the credentials that a lock never has.
    """
    if lock is None:
        return ()
    lines = (*requirements, *(line for _, text in included for line in text.splitlines()))
    options = [line for line in lines if _INDEX.match(line)]
    hashed = [pip_line(each) for each in lock.of("pip") if each.sha256]
    vcs = [f"{each.name} @ {each.url}" for each in lock.of("pip") if not each.sha256]
    conda = [_addressed(each, channels) for each in lock.of("conda")]
    return (
        ("explicit.txt", "600", _explicit([f"{url}#{_sha256(each)}" for each, url in conda])),
        ("explicit-md5.txt", "600", _explicit([f"{url}#{each.md5}" for each, url in conda])),
        ("locked.txt", "600", _text([*options, *hashed] if hashed else [])),
        ("locked-vcs.txt", "600", _text([*options, *vcs] if vcs else [])),
        ("locked-code.txt", "600", _text([*options, *code] if code else [])),
        ("conda-locked", "600", _text([_record(each) for each, _ in conda])),
        ("pip-locked", "600", _text([each.name for each in lock.of("pip")])),
    )


def pip_line(package: LockedPackage) -> str:
    """By version and hash, so that any index serves; by address where no index has it."""
    what = f" @ {package.url}" if package.direct else f"=={package.version}"
    return f"{package.name}{what} --hash=sha256:{package.sha256}"


def _addressed(package: LockedPackage, channels: tuple[str, ...]) -> tuple[LockedPackage, str]:
    """With the credentials of the channel that it comes from."""
    for channel in channels:
        bare = public(channel).rstrip("/") + "/"
        if bare != channel.rstrip("/") + "/" and package.url.startswith(bare):
            return package, channel.rstrip("/") + "/" + package.url[len(bare) :]
    return package, package.url


def _sha256(package: LockedPackage) -> str:
    return f"sha256:{package.sha256}" if package.sha256 else package.md5


def _record(package: LockedPackage) -> str:
    """The name of its file in conda-meta, without .json."""
    return re.sub(r"(\.conda|\.tar\.bz2)$", "", package.file)


def _explicit(lines: list[str]) -> str:
    return _text(["@EXPLICIT", *lines]) if lines else ""


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)
