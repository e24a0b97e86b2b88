"""A lock as the lists that conda tools, pip and uv install from without solving. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpuws.plan.declared import as_text
from gpuws.plan.lock import Lock, LockedPackage
from gpuws.plan.mirrors import home, name_of
from gpuws.plan.model import Pairs
from gpuws.plan.naming import public

File = tuple[str, str, str]
"""Name below builds/<hash>/, mode in octal, text."""

_INDEX = re.compile(
    r"\s*(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host|--no-index|--pre)\b"
)


@dataclass(frozen=True)
class Addresses:
    """``channels``: as they are written, perhaps with the credentials that a lock never has.
    ``sources``: (channel, address of a mirror that has it). ``sent``: (address, file of the host
    that the laptop sent); then nothing is asked of any index."""

    channels: tuple[str, ...] = ()
    sources: Pairs = ()
    sent: Pairs = ()

    def of(self, package: LockedPackage) -> str:
        """Where the host takes a conda package from."""
        files = dict(self.sent)
        if package.url in files:
            return f"file://{files[package.url]}"
        for channel, address in self.sources:
            origin = home(name_of(public(channel))) + "/"
            if package.url.startswith(origin):
                return f"{address.rstrip('/')}/{package.url[len(origin) :]}"
        return self.origin(package)

    def origin(self, package: LockedPackage) -> str:
        """The lock's own address, with the credentials of the channel that it belongs to."""
        for channel in self.channels:
            bare = public(channel).rstrip("/") + "/"
            if bare != channel.rstrip("/") + "/" and package.url.startswith(bare):
                return channel.rstrip("/") + "/" + package.url[len(bare) :]
        return package.url


def locked_files(
    lock: Lock,
    where: Addresses,
    requirements: tuple[str, ...],
    included: Pairs,
    code: tuple[str, ...] = (),
) -> tuple[File, ...]:
    """explicit.txt and explicit-md5.txt for conda tools (older ones know no sha256), origin.txt and
    origin-md5.txt where those go through a mirror, which may lag; locked.txt, locked-vcs.txt and
    locked-code.txt (the lines ``code``) for pip; and the names of what must be there afterwards."""
    lines = (*requirements, *(line for _, text in included for line in text.splitlines()))
    files = {address: f"file://{path}" for address, path in where.sent}
    options = _from_files(files) if files else [line for line in lines if _INDEX.match(line)]
    hashed = [_pip_line(each, files) for each in lock.of("pip") if each.sha256]
    vcs = [f"{each.name} @ {each.url}" for each in lock.of("pip") if not each.sha256]
    conda = lock.of("conda")
    lists = _lists("explicit", [(each, where.of(each)) for each in conda])
    if where.sources and not where.sent:
        lists += _lists("origin", [(each, where.origin(each)) for each in conda])
    return (
        *lists,
        ("locked.txt", "600", as_text([*options, *hashed] if hashed else [])),
        ("locked-vcs.txt", "600", as_text([*options, *vcs] if vcs else [])),
        ("locked-code.txt", "600", as_text([*options, *code] if code else [])),
        ("conda-locked", "600", as_text([_record(each) for each in conda])),
        ("pip-locked", "600", as_text([each.name for each in lock.of("pip")])),
    )


def _lists(name: str, packages: list[tuple[LockedPackage, str]]) -> tuple[File, ...]:
    return (
        (f"{name}.txt", "600", _explicit([f"{url}#{_sha256(each)}" for each, url in packages])),
        (f"{name}-md5.txt", "600", _explicit([f"{url}#{each.md5}" for each, url in packages])),
    )


def _from_files(files: dict[str, str]) -> list[str]:
    folders = dict.fromkeys(url.rpartition("/")[0] for url in files.values())
    return ["--no-index", *(f"--find-links {folder}" for folder in folders)]


def _pip_line(package: LockedPackage, files: dict[str, str]) -> str:
    """By version and hash, so that any index serves; by address where no index has it."""
    address = files.get(package.url, package.url)
    what = f" @ {address}" if package.direct else f"=={package.version}"
    return f"{package.name}{what} --hash=sha256:{package.sha256}"


def _sha256(package: LockedPackage) -> str:
    return f"sha256:{package.sha256}" if package.sha256 else package.md5


def _record(package: LockedPackage) -> str:
    """The name of its file in conda-meta, without .json."""
    return re.sub(r"(\.conda|\.tar\.bz2)$", "", package.file)


def _explicit(lines: list[str]) -> str:
    return as_text(["@EXPLICIT", *lines]) if lines else ""
