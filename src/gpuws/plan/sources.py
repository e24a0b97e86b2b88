"""Where the packages of an environment came from, by what its own records say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gpuws.plan import answers
from gpuws.plan.drift import Package, packages_from
from gpuws.plan.naming import public

_URL = re.compile(r"(https?|file)://[A-Za-z0-9._~:/?@!&()*+,;=%\[\]-]+")
_HASH = re.compile(r"[0-9a-f]{32,64}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Source:
    """The archive of a conda package. ``record``: NAME-VERSION-BUILD; ``url`` has no credentials,
    ``login`` says that it had some."""

    record: str
    url: str = ""
    sha256: str = ""
    md5: str = ""
    login: bool = False

    @property
    def pinned(self) -> str:
        """As a line of an explicit list; "" where the address is not known."""
        known = f"sha256:{self.sha256}" if self.sha256 else self.md5
        return f"{self.url}#{known}" if self.url and known else self.url


@dataclass(frozen=True)
class Direct:
    """A distribution that came from an address of its own. ``where``: what pip takes behind "@";
    "" for a folder or a file of that host, and for an editable install."""

    package: Package
    where: str = ""


def sources_from(lines: Iterable[str]) -> tuple[Source, ...]:
    """The answers ``source`` of sources.sh, one for each package."""
    known: dict[str, dict[str, str]] = {}
    for line in lines:
        record, _, rest = line.partition(" ")
        key, _, value = rest.partition(" ")
        if answers.text(record, 300):
            known.setdefault(record, {}).setdefault(key, value)
    return tuple(_source(record, values) for record, values in known.items())


def _source(record: str, values: dict[str, str]) -> Source:
    url, sha256, md5 = (values.get(key, "") for key in ("url", "sha256", "md5"))
    bare = public(url)
    return Source(
        record,
        bare if _URL.fullmatch(bare) else "",
        sha256 if _HASH.fullmatch(sha256) else "",
        md5 if _HASH.fullmatch(md5) else "",
        login=bare != url,
    )


def direct_from(lines: Iterable[str]) -> tuple[Direct, ...]:
    """The answers ``direct``: NAME-VERSION and what direct_url.json holds."""
    found = []
    for line in lines:
        name, _, text = line.partition(" ")
        for package in packages_from([f"python {name} ?"]):
            found.append(Direct(package, _where(answers.json_object(text))))
    return tuple(found)


def _where(known: dict[str, object]) -> str:
    url = public(str(known.get("url", "")))
    vcs = known.get("vcs_info")
    if not _URL.fullmatch(url) or url.startswith("file:"):
        return ""
    if isinstance(vcs, dict) and _COMMIT.fullmatch(str(vcs.get("commit_id"))):
        return f"git+{url}@{vcs['commit_id']}" if vcs.get("vcs") == "git" else ""
    return url if "archive_info" in known else ""
