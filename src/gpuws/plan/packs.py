"""A packed environment: what its archive says of itself, and whether a host can have it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gpuws.errors import GpuwsError
from gpuws.plan import answers
from gpuws.plan.model import HostFacts
from gpuws.plan.virtual import PLATFORMS, glibc_minor, platform_of

SCHEMA = "gpuws-pack/1"
BUILD_FILES = re.compile(
    r"conda-names|pip-names|imports|environment-plain\.yml|requirements\.txt|include-\d{1,4}\.txt|"
    r"variables\.json"
)
"""Names below builds/<hash>/ that travel: what `env diff` and `env export` read there."""

_DIGEST = re.compile(r"[0-9a-f]{16}")
_TOOL = re.compile(r"[a-z]{0,20}")
_VERSION = re.compile(r"[0-9A-Za-z.+-]{0,40}")
_BLOCK = 4096  # bytes that the smallest file takes


@dataclass(frozen=True)
class Manifest:
    """The first member of an archive. ``prefixes``: the paths under which the environment's files
    know themselves; ``base``: the interpreter outside of it that it is made from, "" for none;
    ``glibc``: the N of the glibc 2.N that its binaries need, 0 where that is not known."""

    hash: str
    platform: str  # conda's name, linux-64
    prefixes: tuple[str, ...]
    bytes: int  # of all files
    entries: int
    tool: str = ""
    version: str = ""  # of the tool
    python: str = ""  # "3.12.4"
    base: str = ""
    glibc: int = 0
    jupyter: bool = False

    @property
    def room(self) -> int:
        """Bytes that it takes on a disk, at most."""
        return self.bytes + self.entries * _BLOCK


def text_of(manifest: Manifest) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=1, sort_keys=True) + "\n"


def manifest_from(text: str, where: str) -> Manifest:
    """Strictly: the archive may be anybody's. Raises pack-invalid."""
    said = answers.json_object(text)
    prefixes = said.get("prefixes")
    found = {
        "hash": _matching(said.get("hash"), _DIGEST),
        "platform": said.get("platform") if said.get("platform") in PLATFORMS.values() else None,
        "prefixes": _paths(prefixes),
        "bytes": answers.whole(said.get("bytes")),
        "entries": answers.whole(said.get("entries"), 1, 1 << 32),
        "tool": _matching(said.get("tool"), _TOOL),
        "version": _matching(said.get("version"), _VERSION),
        "python": _matching(said.get("python"), _VERSION),
        "base": said.get("base") if said.get("base") == "" else answers.path(said.get("base")),
        "glibc": answers.whole(said.get("glibc"), 0, 999),
        "jupyter": said.get("jupyter") if isinstance(said.get("jupyter"), bool) else None,
    }
    wrong = [key for key, value in found.items() if value is None]
    if said.get("schema") != SCHEMA:
        wrong = ["schema"]
    if wrong:
        raise invalid(where, f"its manifest has no valid {wrong[0]}")
    return Manifest(**found)  # type: ignore[arg-type]


def _matching(value: object, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _paths(value: object) -> tuple[str, ...] | None:
    paths = [answers.path(each) for each in value] if isinstance(value, list) else []
    good = tuple(each for each in paths if each is not None and len(each) > 1)
    return good if good and len(good) == len(paths) <= 4 else None


def invalid(where: str, why: str) -> GpuwsError:
    return GpuwsError(
        "pack-invalid",
        f"{where} is not a whole archive of `gpuws env pack`: {why}",
        hint="pack it again: gpuws env pack HOST -o FILE.tar.gz",
        stage="environment",
    )


# --- where it is made -----------------------------------------------------------------------------


def described(fields: answers.Fields, *, prefix: str, digest: str) -> Manifest:
    """What origin.sh answered. Raises unsupported-platform, not-relocatable.

    ``digest``: "" for an environment that gpuws did not build, whose packages then name it.
    """
    packages = fields.get("now", [])
    _refuse_editable(packages)
    system, machine = answers.one(fields, "system"), answers.one(fields, "machine")
    platform = PLATFORMS.get((system, machine))
    if platform is None:
        raise GpuwsError(
            "unsupported-platform",
            f"an environment of {system} on {machine} runs on no host that gpuws knows",
            hint="`gpuws env lock HOST` writes the same packages for the host's platform, "
            "`gpuws up HOST` builds them there",
            stage="environment",
        )
    marker = answers.json_object(answers.one(fields, "marker"))
    physical = answers.path(answers.one(fields, "physical"))
    return Manifest(
        hash=digest or _content_hash(platform, packages),
        platform=platform,
        prefixes=tuple(dict.fromkeys(each for each in (prefix, physical) if each)),
        bytes=answers.integer(answers.one(fields, "bytes")) or 0,
        entries=max(1, answers.integer(answers.one(fields, "entries")) or 1),
        tool=_matching(marker.get("tool"), _TOOL) or "",
        version=_matching(marker.get("version"), _VERSION) or "",
        python=_matching(answers.one(fields, "python"), _VERSION) or "",
        base=answers.path(answers.one(fields, "base")) or "",
        glibc=answers.integer(answers.one(fields, "glibc"), 0, 999) or 0,
        jupyter=answers.yes(fields, "jupyter"),
    )


def _content_hash(platform: str, packages: Iterable[str]) -> str:
    return hashlib.sha256("\n".join((platform, *packages)).encode()).hexdigest()[:16]


def _refuse_editable(packages: Iterable[str]) -> None:
    names = [line.split(" ")[1] for line in packages if line.endswith(" editable")]
    if names:
        raise GpuwsError(
            "not-relocatable",
            f"{', '.join(names[:5])} is installed from a folder outside of the environment, which "
            "would not travel",
            hint="install it without -e, or take it out, and pack again",
            stage="environment",
        )


# --- where it goes --------------------------------------------------------------------------------


def check_fits(manifest: Manifest, facts: HostFacts, host: str) -> None:
    """Raises pack-other-platform, pack-unmet, disk-full: before anything is changed there."""
    platform = platform_of(facts)
    if platform != manifest.platform:
        raise GpuwsError(
            "pack-other-platform",
            f"the environment is for {manifest.platform}, {host} is {platform}",
            hint=f"`gpuws env lock {host}` writes the same packages for {platform}",
            stage="environment",
        )
    _check_glibc(manifest, facts, host)
    free = facts.disk_free_mb
    full = 0 <= free < manifest.room >> 20 or 0 <= facts.inodes_free < manifest.entries
    if full or free == 0:
        raise GpuwsError(
            "disk-full",
            f"the environment takes {manifest.room >> 20} MB and {manifest.entries} files: "
            f"{facts.root} on {host} has no room for that",
            hint=f"`gpuws env gc {host}` removes what nobody uses; root: in hosts.yaml names "
            "another place",
            stage="environment",
        )


def _check_glibc(manifest: Manifest, facts: HostFacts, host: str) -> None:
    has = glibc_minor(facts)
    known = facts.musl or has > 0
    if not manifest.glibc or not known or has >= manifest.glibc:
        return
    what = "musl" if facts.musl else f"glibc 2.{has}"
    raise GpuwsError(
        "pack-unmet",
        f"the environment needs glibc 2.{manifest.glibc}, {host} has {what}",
        hint=f"`gpuws env lock {host}` finds packages that run there",
        stage="environment",
    )
