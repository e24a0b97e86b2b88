"""Whether an environment will fit on the host's disk, before anything is built. Pure.

What nobody can know beforehand is estimated, and said to be an estimate: a package that lies in a
cache already is linked and takes nothing. Refused is only what cannot fit in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.plan.inventory import earlier, size
from gpuws.plan.lock import Lock
from gpuws.plan.model import EnvironmentSpec, HostFacts
from gpuws.plan.naming import package_name

_MB = 1 << 20  # bytes, as HostFacts counts them
_WITH_CACHES = ("conda", "mamba", "micromamba", "uv")


@dataclass(frozen=True)
class Need:
    """``mb`` (MiB) and ``files``: what a build takes, downloads included. ``least_mb``
    and ``least_files``: what it takes in any case on a host where nothing is cached. ``of``: what
    the figure is about; ``known``: from a lock's sizes, not from a table."""

    mb: int = 0
    files: int = 0
    least_mb: int = 0
    least_files: int = 0
    of: tuple[str, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class _Giant:
    """A package with what it cannot do without. MB of its downloads, MB and files unpacked."""

    name: str
    conda: str
    pip: str
    download: int
    unpacked: int
    files: int


# Read on 2026-11-25 from the directories of the wheels that pip chooses for Linux x86_64 and Python
# 3.11 (torch 2.14.1, tensorflow 2.21.0, jax 0.10.2): size of the archives, of their members, number
# of members. Most of torch's could not be opened: they are taken to unpack as the CUDA wheels of
# tensorflow do, to 1.6 times their size, and their files are not counted. conda's packages are
# taken to be alike. JupyterLab 4.6.6 with ipykernel is what uv installed, by du and find.
_JUPYTER = _Giant("jupyterlab", "jupyterlab", "jupyterlab", 36, 173, 13_500)
_GIANTS = (
    _Giant("torch", r"pytorch(-gpu)?", "torch", 2_876, 4_600, 3_000),
    _Giant("tensorflow", "tensorflow", "tensorflow", 604, 1_884, 26_400),
    _Giant("tensorflow", "tensorflow-gpu", r"tensorflow\[and-cuda\]", 3_281, 6_110, 26_800),
    _Giant("jax", "jaxlib", r"jax\[cuda12\]", 3_191, 5_100, 2_900),
    _JUPYTER,
)
_UNPACKED = 1.8  # of 1: the archives above that could be opened, all together


def need_of_file(spec: EnvironmentSpec, extra: Iterable[str], facts: HostFacts) -> Need:
    """From the packages that are known to be large. conda brings the CUDA builds of them only where
    there is a driver."""
    with_cuda = bool(facts.cuda or facts.gpus)
    found = tuple(dict.fromkeys(_giants(spec, tuple(extra), with_cuda=with_cuda)))
    least = _JUPYTER in found
    return Need(
        mb=sum(each.download + each.unpacked for each in found),
        files=sum(each.files for each in found),
        least_mb=_JUPYTER.unpacked if least else 0,
        least_files=_JUPYTER.files if least else 0,
        of=tuple(dict.fromkeys(each.name for each in found)),
    )


def need_of_lock(lock: Lock) -> Need:
    """From the sizes of its archives; nothing where the lock does not tell them."""
    archives = -(-lock.download_bytes // _MB)
    return Need(
        mb=round(archives * (1 + _UNPACKED)), least_mb=archives, of=(lock.source,), known=True
    )


def _giants(spec: EnvironmentSpec, extra: tuple[str, ...], *, with_cuda: bool) -> Iterator[_Giant]:
    conda = [package_name(each) for each in spec.conda]
    pip = [*spec.pip, *(line for _, text in spec.pip_files for line in text.splitlines()), *extra]
    for giant in _GIANTS:
        needs_driver = giant.name in ("torch", "jax")
        by_pip = rf"(?i:{giant.pip})(?![A-Za-z0-9._\[-]).*"
        if _any(by_pip, pip) or (_any(giant.conda, conda) and (with_cuda or not needs_driver)):
            yield giant


def _any(pattern: str, lines: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, line) for line in lines)


# --- against the room that there is ---------------------------------------------------------------


def check_room(
    need: Need, facts: HostFacts, *, host: str, cache_dir: str | None = None
) -> tuple[str, ...]:
    """What the user should know before it is built. Raises GpuwsError: ``disk-full`` where it
    cannot fit in any case."""
    if _nothing_cached(facts) and (
        0 <= facts.disk_free_mb < need.least_mb or 0 <= facts.inodes_free < need.least_files
    ):
        raise _refusal(need, facts, host)
    return (
        *_space(need, facts, host),
        *_inodes(need, facts, host),
        *_cache(need, facts, cache_dir),
    )


def _nothing_cached(facts: HostFacts) -> bool:
    """Else packages may be there already, and take nothing a second time."""
    return not facts.prefixes and facts.tool(*_WITH_CACHES) is None


def _refusal(need: Need, facts: HostFacts, host: str) -> GpuwsError:
    free = f"{size(facts.disk_free_mb * 1024)} and {facts.inodes_free:,} files"
    if facts.inodes_free < 0:
        free = size(facts.disk_free_mb * 1024)
    files = f" and {need.least_files:,} files" if need.least_files else ""
    return GpuwsError(
        "disk-full",
        f"the environment needs at least {size(need.least_mb * 1024)}{files}; there is room for "
        f"{free} in {facts.root}",
        hint=f"{_freeing(facts, host)}root: in hosts.yaml names another place",
        stage="probe",
    )


def _space(need: Need, facts: HostFacts, host: str) -> Iterator[str]:
    """Of several quotas nothing tells which one is the root's."""
    rooms = [(facts.disk_free_mb, "")] if facts.disk_free_mb >= 0 else []
    if len(facts.quotas) == 1:
        [quota] = facts.quotas
        rooms.append((max(0, quota.limit_mb - quota.used_mb), " (your quota)"))
    free, why = min(rooms, default=(need.mb, ""))
    if free < need.mb:
        yield (
            f"{_about(need, size(need.mb * 1024))}, {_free(free)} in {facts.root}{why}: the build "
            f"may fill the disk{_gc(facts, host)}"
        )


def _free(mb: int) -> str:
    return f"{size(mb * 1024)} are free" if mb else "nothing is free"


def _inodes(need: Need, facts: HostFacts, host: str) -> Iterator[str]:
    if 0 <= facts.inodes_free < need.files:
        yield (
            f"{_about(need, f'{need.files:,} files')}, {facts.inodes_free:,} inodes are free in "
            f"{facts.root}: the build may use them up{_gc(facts, host)}"
        )


def _cache(need: Need, facts: HostFacts, cache_dir: str | None) -> Iterator[str]:
    inside = cache_dir is None or f"{cache_dir}/".startswith(f"{facts.root}/")
    if need.mb >= 1000 and not inside:
        yield f"the downloads go to {cache_dir}; how much is free there is not known"


def _about(need: Need, what: str) -> str:
    how = "as the lock says" if need.known else "an estimate"
    return f"about {what} are needed for {', '.join(need.of)} ({how})"


def _gc(facts: HostFacts, host: str) -> str:
    freed = _freeing(facts, host)
    return f"; {freed.removesuffix('; ')}" if freed else ""


def _freeing(facts: HostFacts, host: str) -> str:
    """What environments that nobody uses would give back."""
    used = {each.get("prefix") for each in facts.workspaces}
    kept = {digest for each in facts.workspaces for digest in earlier(each)[:1]}
    old = [each for each in facts.prefixes if f"{facts.root}/envs/{each.hash}" not in used]
    gone = sum(each.kb for each in old if each.hash not in kept)
    more = sum(each.kb for each in old) - gone
    if gone:
        return f"`gpuws env gc {host}` frees {size(gone)}; "
    return f"`gpuws env gc {host} --earlier` frees {size(more)}; " if more else ""
