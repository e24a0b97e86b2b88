"""Mirrors: which addresses stand for a channel, and which channel an address stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gpuws.plan.model import HostEntry, Mirror
from gpuws.plan.naming import public

HOME = "https://conda.anaconda.org"
_DEFAULTS_HOME = "https://repo.anaconda.com"
PYPI = "https://pypi.org/simple"
_FILES_HOME = "https://files.pythonhosted.org"
_HUB = "https://hf-mirror.com"  # the universities mirror no models

_COMMON = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/label/[^/]+)?")
_HOMES = re.compile(rf"https?://(?:{re.escape(HOME[8:])}|{re.escape(_DEFAULTS_HOME[8:])})/")
_SUBDIR = r"/(?:noarch|(?:linux|osx|win|emscripten|wasi|freebsd|zos)-[a-z0-9_]+)"
_SPEC = re.compile(rf"(?P<channel>[^\s\[\]]+?)(?P<rest>(?:{_SUBDIR})?::.+)")
_PACKAGE = re.compile(rf"(?P<channel>.+?)(?P<rest>{_SUBDIR}/[^/]+)")
# PyPI keeps each file under the BLAKE2 digest of its content, and its mirrors do as well.
_PYPI_FILE = re.compile(
    r"https?://[^/]+/(?:[^?#]*/)?(packages/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/.+)"
)
_NO_CHANNELS = frozenset({"defaults", "nodefaults", "local"})
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def _university(name: str, host: str, *, pip: str, extra: tuple[str, ...] = ()) -> Mirror:
    """The layout that these sites share; ``extra``: where they have more of the channels."""
    conda = f"https://{host}/anaconda"
    defaults = ((f"pkgs/{each}", (f"{conda}/pkgs/{each}",)) for each in ("main", "r"))
    common = (f"{conda}/cloud/{{channel}}", *extra)
    return Mirror(name, (*defaults, ("*", common)), f"https://{host}/{pip}", _HUB)


# Written from documentation (the sites' help pages), never reached from where this was written.
# Which channels a site has, the host is asked: environments/mirrors.sh.
PRESETS: dict[str, Mirror] = {
    each.name: each
    for each in (
        _university("bfsu", "mirrors.bfsu.edu.cn", pip="pypi/web/simple"),
        _university(
            "sustech",
            "mirrors.sustech.edu.cn",
            pip="pypi/web/simple",
            extra=("https://mirrors.sustech.edu.cn/anaconda-extra/cloud/{channel}",),
        ),
        _university("tuna", "mirrors.tuna.tsinghua.edu.cn", pip="pypi/web/simple"),
        _university("ustc", "mirrors.ustc.edu.cn", pip="pypi/simple"),
    )
}


# --- from a channel to addresses ------------------------------------------------------------------


def candidates(mirror: Mirror, channel: str) -> tuple[str, ...]:
    """A channel's addresses, best first, and the channel as it is written last.

    Empty where the mirror says nothing about it.
    """
    name, listed = name_of(channel), dict(mirror.channels)
    found = listed.get(next((key for key in (channel, name) if key in listed), _any(name)), ())
    addresses = (each.replace("{channel}", name).rstrip("/") for each in found)
    return tuple(dict.fromkeys((*addresses, channel))) if found else ()


def _any(name: str) -> str:
    """The key for every channel, where this is one of them."""
    return "*" if _COMMON.fullmatch(name) and name not in _NO_CHANNELS else ""


def name_of(channel: str) -> str:
    """conda-forge of https://conda.anaconda.org/conda-forge; other addresses as they are."""
    found = _HOMES.match(channel)
    return channel[found.end() :].rstrip("/") if found else channel


def expanded(mirror: Mirror, channels: tuple[str, ...]) -> tuple[str, ...]:
    """With the channels that ``defaults`` consists of, where the mirror names one of them."""
    parts = ("pkgs/main", "pkgs/r")
    if not {key for key, _ in mirror.channels} & {*parts}:
        return channels
    defaults = tuple(f"{_DEFAULTS_HOME}/{each}" for each in parts)
    return tuple(
        part for each in channels for part in (defaults if each == "defaults" else (each,))
    )


def copies(mirror: Mirror, url: str) -> tuple[str, ...]:
    """Where else the package of a channel, or the file of PyPI, at ``url`` should lie."""
    if file := _PYPI_FILE.fullmatch(url):
        base = (mirror.pip or "").rstrip("/").removesuffix("/simple")
        return (f"{base}/{file[1]}",) if base else ()
    found = _PACKAGE.fullmatch(url)
    if found is None:
        return ()
    return tuple(each + found["rest"] for each in candidates(mirror, found["channel"])[:-1])


def split_spec(spec: str) -> tuple[str, str]:
    """(channel, the rest from ``::`` or its platform on); ("", spec) where it names no channel."""
    found = _SPEC.fullmatch(spec)
    return (found["channel"], found["rest"]) if found else ("", spec)


# --- and back -------------------------------------------------------------------------------------


def canonical(url: str, mirror: Mirror | None = None) -> str:
    """The address of the same channel, package or file of PyPI where every laptop finds it.

    Without credentials; as it is where it is of no known mirror. The presets are always known.
    """
    bare = public(url)
    if file := _PYPI_FILE.fullmatch(bare):
        return f"{_FILES_HOME}/{file[1]}"
    found = (_behind(bare, known) for known in (mirror, *PRESETS.values()))
    return next((each for each in found if each), bare)


def as_named(channel: str, mirror: Mirror | None) -> str:
    """The name of the channel that an address of this mirror stands for; any other as it is."""
    return name_of(_behind(public(channel), mirror)) or channel


def _behind(bare: str, mirror: Mirror | None) -> str:
    """The canonical address of what lies at one of a mirror's; "" where it is none of them."""
    for key, address in _listed(mirror):
        if found := _pattern(address).fullmatch(bare):
            return home(key if key != "*" else found["channel"]) + found["rest"]
    return ""


def _listed(mirror: Mirror | None) -> Iterator[tuple[str, str]]:
    """Those for every channel last, since they may take in the others."""
    channels = mirror.channels if mirror else ()
    for key, addresses in sorted(channels, key=lambda each: each[0] == "*"):
        for each in addresses:
            yield key, public(each).rstrip("/")


def _pattern(address: str) -> re.Pattern[str]:
    before, _, after = address.partition("{channel}")
    middle = "(?P<channel>.+?)" if "{channel}" in address else ""
    return re.compile(
        f"{re.escape(before)}{middle}{re.escape(after)}(?P<rest>(?:{_SUBDIR}(?:/[^/]+)?)?)/?"
    )


def home(key: str) -> str:
    """Where a channel lies that is only named; an address as it is."""
    if "://" in key:
        return key.rstrip("/")
    return f"{_DEFAULTS_HOME if key.startswith('pkgs/') else HOME}/{key}"


# --- models ---------------------------------------------------------------------------------------


def hub(entry: HostEntry) -> str | None:
    """HF_ENDPOINT of a workspace; None: as the host has it.

    A preset's is another party's than huggingface.co. It is not told a token that goes to the
    workspace unless the user named it himself.
    """
    mirror = entry.mirror
    if mirror is None or mirror.huggingface is None or _withheld(entry):
        return None
    return mirror.huggingface


def hub_notes(entry: HostEntry) -> tuple[str, ...]:
    if not _withheld(entry) or entry.mirror is None:
        return ()
    return (
        f"HF_ENDPOINT is not set: {_withheld(entry)} would go to {entry.mirror.huggingface}; "
        "`huggingface:` below `mirror:` in hosts.yaml allows it",
    )


def _withheld(entry: HostEntry) -> str:
    """The token that a preset's hub would be told; "" where there is none."""
    mirror, names = entry.mirror, {*entry.pass_env, *dict(entry.env)}
    if mirror is None or mirror.huggingface is None or mirror.own_hub or "HF_ENDPOINT" in names:
        return ""
    return next((each for each in _TOKENS if each in names), "")
