"""Where gpuws would write: folders, their disks, and what their filesystems forbid. Pure."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.plan.doctor.finding import Check, Said, advice, ok, problem, warning
from gpuws.plan.doctor.seen import Examined, Folder
from gpuws.plan.model import HostFacts, Quota
from gpuws.plan.refusals import refuse_bad_root
from gpuws.plan.sharing import refuse_unsafe

_LITTLE_MB = 2048  # MiB: what JupyterLab and a little more take, with room to unpack
_LITTLE_TMP_MB = 512  # MiB
_FEW_INODES = 30_000  # files: JupyterLab alone has 13,500
_REMOTE = ("nfs", "cifs", "smb", "afs", "lustre", "gpfs", "ceph", "fuse", "9p", "v9fs", "panfs")
_WRITTEN = ("root", "home", "run", "cache", "conda")  # /tmp has a check of its own


def _root(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "root" in facts.unanswered or facts.system != "Linux":
        return None
    try:
        refuse_bad_root(facts)
        if facts.shared:
            refuse_unsafe(facts.shared)
    except GpuwsError as error:
        return problem(error.message, error.hint, error.code)
    return ok(f"{facts.root}, sockets in {facts.run_base}")


def _space(examined: Examined) -> Said | None:
    folders = _folders(examined)
    if folders is None:
        return None
    full = [each for each in folders if each.free_mb == 0]
    if full:
        return problem(f"no space is free for {_paths(full)}")
    little = [each for each in folders if 0 <= each.free_mb < _LITTLE_MB and each.name != "run"]
    if little:
        return warning(f"only {little[0].free_mb} MB are free for {_paths(little)}")
    return ok(", ".join(f"{_size(each.free_mb)} for {each.path}" for each in folders[:1]))


def _inodes(examined: Examined) -> Said | None:
    folders = _folders(examined)
    if folders is None:
        return None
    none = [each for each in folders if each.inodes == 0]
    if none:
        return problem(f"no inode is free for {_paths(none)}", code="disk-full")
    few = [each for each in folders if 0 < each.inodes < _FEW_INODES and each.name != "run"]
    if few:
        return warning(f"only {few[0].inodes} more files fit into {_paths(few)}")
    return ok("enough for many environments")


def _folders(examined: Examined) -> tuple[Folder, ...] | None:
    seen = examined.seen
    if seen is None or not seen.folders:
        return None
    return tuple(each for each in seen.folders if each.name in _WRITTEN)


def _paths(folders: list[Folder]) -> str:
    return ", ".join(dict.fromkeys(each.path for each in folders))


def _size(mb: int) -> str:
    return "room" if mb < 0 else f"{mb / 1024:.0f} GB"


def _quota(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "home" in facts.unanswered:
        return None
    tightest = min(facts.quotas, key=_left, default=None)
    if tightest is None:
        return ok("none is set")
    left = _left(tightest)
    if left <= 0:
        return problem(f"your quota on {tightest.filesystem} is used up", code="disk-full")
    said = f"{left} MB left of your quota on {tightest.filesystem}"
    return warning(said) if left < _LITTLE_MB else ok(said)


def _left(quota: Quota) -> int:
    return quota.limit_mb - quota.used_mb


def _tmp(examined: Examined) -> Said | None:
    tmp = examined.seen.folder("tmp") if examined.seen else None
    if tmp is None:
        return None
    if not tmp.writable:
        return warning(f"{tmp.path} cannot be written")
    if not tmp.runs:
        return warning(f"{tmp.path} is mounted noexec: builds that run programs there fail")
    if 0 <= tmp.free_mb < _LITTLE_TMP_MB:
        return warning(f"only {tmp.free_mb} MB are free in {tmp.path}")
    return ok(tmp.path)


def _home(examined: Examined) -> Said | None:
    facts = examined.facts
    if facts is None or "home" in facts.unanswered:
        return None
    if not facts.home_writable:
        return warning(f"{facts.home} cannot be written: Jupyter keeps its settings there")
    if facts.home_filesystem.startswith(_REMOTE):
        return advice(f"{facts.home} is on a network ({facts.home_filesystem}){_where(facts)}")
    return ok(f"{facts.home_filesystem or 'a local disk'}")


def _where(facts: HostFacts) -> str:
    on_it = facts.root_filesystem.startswith(_REMOTE)
    return ", and so are environments: they start slowly" if on_it else ""


SPACE: tuple[Check[Examined], ...] = (
    Check(
        "no-root-folder",
        "root folder",
        "gpuws can have a private folder of its own there, and a local one for sockets; a shared "
        "root is safe.",
        "name a folder that you can write with `root:` in hosts.yaml",
        _root,
        codes=("root-not-private", "no-shared-root", "shared-root-unsafe"),
    ),
    Check(
        "disk-full",
        "disk space",
        "The disks of the root, the home, the caches and the sockets have room (2 GB).",
        "`df -h` on the host says where; `gpuws env gc HOST` removes unused environments; `root:` "
        "and `cache_dir:` in hosts.yaml name other places",
        _space,
    ),
    Check(
        "few-inodes",
        "inodes",
        "They take more files (30,000). A disk without a free inode is full with space left.",
        "`df -i` on the host says where; `gpuws env gc HOST` removes unused environments",
        _inodes,
        codes=("disk-full",),
    ),
    Check(
        "quota",
        "quota",
        "Your own limit leaves room (2 GB), where the host has `quota`.",
        "`quota -s` on the host shows it; `root:` in hosts.yaml names another place",
        _quota,
        codes=("disk-full",),
    ),
    Check(
        "bad-tmp",
        "temporary files",
        "The folder for temporary files can be written, runs programs and has room (512 MB).",
        "set TMPDIR below `env:` in hosts.yaml to a folder that can",
        _tmp,
    ),
    Check(
        "network-home",
        "home folder",
        "HOME can be written, and is on a local disk: environments on NFS start slowly.",
        "put `root:` in hosts.yaml on a local disk of the host, such as /scratch/$USER",
        _home,
    ),
)
