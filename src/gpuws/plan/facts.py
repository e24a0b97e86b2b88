"""The probe's answer → HostFacts. Strict and total: absurd values are dropped and named in
``doubts``; an answer without the essentials is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar

from gpuws.errors import GpuwsError
from gpuws.plan import answers
from gpuws.plan.answers import Fields, lines, one, yes
from gpuws.plan.cards import cards_from
from gpuws.plan.model import (
    Build,
    BuiltPrefix,
    HostFacts,
    Quota,
    SharedPrefix,
    SharedRoot,
    Tool,
)
from gpuws.plan.naming import NAME
from gpuws.plan.present import workspaces_from

__all__ = ["facts_from", "workspaces_from"]

T = TypeVar("T")

_TOOL = re.compile(r"[a-z][a-z0-9.]{0,20}")
_PYTHON = re.compile(r"python[23]\.[0-9]{1,3}")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+_-]{0,40}")
_DIGEST = re.compile(r"[0-9a-f]{16}")
_BOOT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+ ()-]{0,60}")
_ROOT_STATES = frozenset({"absent", "private", "open", "foreign", "link", "file"})
_SHARED_STATES = frozenset(
    ["usable", "absent", "link", "file", "open", "closed", "shut", "outsider", "exposed", "planted"]
)
_FEATURES = frozenset({"venv", "ensurepip"})
_TEMPORARY = frozenset({"/tmp", "/var/tmp", "/dev/shm"})  # noqa: S108  names to recognise
_MOST_FOLDERS = 8  # of one kind, where they end up in a message
_PARTS = frozenset({"root", "home", "tools", "gpus"})


class _Reader:
    """Takes single values out of the answer and remembers the keys it could not believe."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.doubts: list[str] = []

    def take(self, key: str, check: Callable[[str], T | None], default: T) -> T:
        """``default`` where the host said nothing, or nothing that can be true."""
        said = (self.fields.get(key) or [""])[0]
        if not said:
            return default
        found = check(said) if len(said) <= answers.MAX_TEXT else None
        if found is None:
            self.doubts.append(key)
            return default
        return found

    def need(self, key: str, check: Callable[[str], T | None]) -> T:
        said = one(self.fields, key)
        found = check(said)
        if found is None:
            shown = answers.clean(said, 60)
            raise GpuwsError(
                "remote-shell",
                f"the host answered {shown!r} for its {key}" if said else f"it told no {key}",
                hint="run again with -vv to see what the host prints",
                stage="probe",
            )
        return found

    def each(self, key: str, parse: Callable[[str], T | None]) -> tuple[T, ...]:
        """Every value of a key that can be believed, without repetitions."""
        said = self.fields.get(key, [])
        found = [parse(value) for value in lines(self.fields, key)]
        good = tuple(dict.fromkeys(item for item in found if item is not None))
        if any(item is None for item in found) or len(said) != len(found):
            self.doubts.append(key)
        return good


def facts_from(fields: Fields) -> HostFacts:
    """What ``probe.sh`` answered. Raises GpuwsError("remote-shell") without the essentials."""
    read = _Reader(fields)
    gpus, gpu_doubts = cards_from(fields)
    workspaces = workspaces_from(fields)
    if len(workspaces) != len(fields.get("workspace", [])):
        read.doubts.append("workspace")
    return HostFacts(
        system=read.need("system", _matching(_WORD)),
        machine=read.need("machine", _matching(_WORD)),
        user=read.need("user", answers.text),
        uid=read.need("uid", lambda said: answers.integer(said, 0, 1 << 32)),
        home=read.need("home", answers.path),
        shell=read.take("shell", answers.path, ""),
        node=read.take("node", _matching(_WORD), ""),
        boot_id=read.take("boot_id", _matching(_BOOT_ID), ""),
        boot_time=read.take("boot_time", answers.integer, 0),
        now=read.need("now", answers.integer),
        root=read.need("root", answers.path),
        root_state=read.take("root_state", lambda s: s if s in _ROOT_STATES else None, "absent"),
        root_writable=yes(fields, "root_writable"),
        root_filesystem=read.take("root_fs", _matching(_WORD), ""),
        disk_free_mb=read.take("disk_free_mb", answers.integer, -1),
        inodes_free=read.take("inodes_free", answers.integer, -1),
        home_writable=one(fields, "home_writable") != "no",
        home_filesystem=read.take("home_fs", _matching(_WORD), ""),
        glibc=read.take("glibc", _matching(_VERSION), ""),
        musl=yes(fields, "musl"),
        run_base=read.take("run_base", answers.socket, ""),
        run_base_exists=yes(fields, "run_base_exists"),
        linger={"yes": True, "no": False}.get(one(fields, "linger")),
        kill_user_processes=yes(fields, "kill_user_processes"),
        tmp_noexec=read.each("tmp_noexec", lambda said: said if said in _TEMPORARY else None),
        quotas=read.each("quota", _quota),
        tools=_first_of_each(read.each("tool", _tool)),
        pythons=_distinct(read.each("python", _python)),
        path=read.take("path", _search_path, ""),
        tmux_missed=answers.clean(one(fields, "tmux_missed"), 300),
        prologue_error=answers.clean(one(fields, "prologue_error")),
        shadowing=read.each("shadowing", answers.path)[:_MOST_FOLDERS],
        gpus=gpus,
        gpu_error=answers.clean(one(fields, "gpu_error")),
        driver=read.take("driver", _matching(_VERSION), ""),
        cuda=read.take("cuda", _matching(_VERSION), ""),
        slurm=yes(fields, "slurm"),
        settings=read.each("setting", lambda said: answers.text(said, 300)),
        environments=read.each("env", answers.path),
        prefixes=read.each("prefix", _prefix),
        builds=read.each("build", _build),
        shared=_shared(read),
        current=read.each("current", _current),
        workspaces=workspaces,
        unanswered=tuple(p for p in sorted(_PARTS) if p not in fields.get("answered", [])),
        doubts=tuple(dict.fromkeys([*read.doubts, *gpu_doubts])),
    )


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda said: said if pattern.fullmatch(said) else None


def _tool(line: str) -> Tool | None:
    name, path, version = ([*line.split("\t"), "", ""])[:3]
    found = answers.path(path)
    if not found or not _TOOL.fullmatch(name):
        return None
    return Tool(name, found, version if _VERSION.fullmatch(version) else "")


def _first_of_each(tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The probe names tools in the order of preference."""
    names: dict[str, Tool] = {}
    for tool in tools:
        names.setdefault(tool.name, tool)
    return tuple(names.values())


def _python(line: str) -> Tool | None:
    name, path, version, *rest = [*line.split("\t"), "", "", ""]
    found = answers.path(path)
    if not found or not _PYTHON.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    if not version.startswith(name[len("python") :] + "."):
        return None
    features = tuple(sorted(_FEATURES.intersection(rest[0].split(","))))
    return Tool(name, found, version, features)


def _distinct(pythons: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """One entry a path, newest version first."""
    by_path = {tool.path: tool for tool in reversed(pythons)}
    return tuple(sorted(by_path.values(), key=_age, reverse=True))


def _age(python: Tool) -> tuple[list[int], int]:
    numbers = [int(part) for part in re.findall(r"[0-9]+", python.version)[:3]]
    return numbers, -len(python.path)


def _search_path(said: str) -> str | None:
    kept = [part for part in said.split(":") if answers.path(part)]
    return ":".join(kept) or None


def _quota(line: str) -> Quota | None:
    filesystem, used, limit = ([*line.split("\t"), "", ""])[:3]
    numbers = answers.integer(used), answers.integer(limit)
    if answers.text(filesystem, 300) is None or numbers[0] is None or numbers[1] is None:
        return None
    return Quota(filesystem, numbers[0] // 1024, numbers[1] // 1024)


def _prefix(line: str) -> BuiltPrefix | None:
    """The hash counts; a marker that tells nothing (of another version) is no reason to doubt."""
    digest, _, marker = line.partition("\t")
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        known = json.loads(marker)
    except ValueError:
        known = {}
    known = known if isinstance(known, dict) else {}
    tool, declared = answers.text(known.get("tool"), 40), answers.text(known.get("declared"), 16)
    return BuiltPrefix(
        digest,
        tool if tool and _TOOL.fullmatch(tool) else "",
        answers.whole(known.get("kb"), 0, 1 << 40) or 0,
        declared if declared and _DIGEST.fullmatch(declared) else "",
        answers.whole(known.get("created")) or 0,
    )


def _shared(read: _Reader) -> SharedRoot | None:
    path = read.take("shared_root", answers.path, "")
    if not path:
        return None
    state = read.take("shared_state", lambda s: s if s in _SHARED_STATES else None, "silent")
    return SharedRoot(
        path=path,
        state=state,
        writable=yes(read.fields, "shared_writable"),
        owner=answers.clean(one(read.fields, "shared_owner"), 60),
        group=answers.clean(one(read.fields, "shared_group"), 60),
        filesystem=read.take("shared_fs", _matching(_WORD), ""),
        prefixes=read.each("shared_prefix", shared_prefix),
    )


def shared_prefix(line: str) -> SharedPrefix | None:
    """``HASH<TAB>OWNER<TAB>FAULT<TAB>MARKER``."""
    digest, owner, fault, marker = ([*line.split("\t", 3), "", "", ""])[:4]
    found = _prefix(f"{digest}\t{marker}")
    if found is None:
        return None
    cleaned = answers.clean(owner, 60), answers.clean(fault)
    return SharedPrefix(found.hash, found.tool, found.kb, owner=cleaned[0], fault=cleaned[1])


def _build(line: str) -> Build | None:
    digest, state, names = ([*line.split("\t"), "", ""])[:3]
    if not _DIGEST.fullmatch(digest) or not re.fullmatch(r"[a-z][a-z-]{0,20}", state):
        return None
    return Build(digest, state, tuple(name for name in names.split(" ") if NAME.fullmatch(name)))


def _current(line: str) -> tuple[str, str] | None:
    name, _, digest = line.partition("\t")
    return (name, digest) if NAME.fullmatch(name) and _DIGEST.fullmatch(digest) else None
