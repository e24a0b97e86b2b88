"""The environments under a root: who uses which, and which nobody wants any more. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gpuws.errors import GpuwsError
from gpuws.plan import answers
from gpuws.plan.model import Workspace

_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_LEAST = 4  # letters of a hash that name an environment
_MOST_KEPT = 4  # earlier environments that a workspace remembers


@dataclass(frozen=True)
class Environment:
    """One prefix that gpuws made. ``used_by``: workspaces, running or not, that start in it;
    ``earlier_of``: those that `env rollback` would take back to it."""

    hash: str
    prefix: str
    state: str  # complete | building | unfinished
    kb: int = 0  # 0: not known
    tool: str = ""
    version: str = ""  # of the tool
    created: int = 0  # seconds since the epoch, by the host's clock
    names: tuple[str, ...] = ()  # links to it under <root>/envs
    used_by: tuple[str, ...] = ()
    earlier_of: tuple[str, ...] = ()
    processes: tuple[int, ...] = ()
    tools: tuple[str, ...] = ()  # of gpuws itself: a tmux that the host had not
    shared: bool = False  # it lies in the root of a group; its users cannot all be seen
    owner: str = ""  # of a shared one
    fault: str = ""  # why a shared one is not used

    @property
    def wanted(self) -> bool:
        """Somebody uses it or builds it."""
        return bool(self.used_by or self.processes or self.tools) or self.state == "building"


def inventory_from(
    fields: answers.Fields, root: str, workspaces: Sequence[Workspace], shared: str = ""
) -> tuple[Environment, ...]:
    """The newest first. What the host says is checked like everything it says."""
    found = [_own(line, root) for line in answers.lines(fields, "environment")]
    found += [_shared(line, shared) for line in answers.lines(fields, "shared_prefix")]
    used = (_with_users(each, fields, workspaces) for each in found if each)
    return tuple(sorted(used, key=lambda each: (-each.created, each.shared, each.hash)))


def _own(line: str, root: str) -> Environment | None:
    digest, state, kb, marker = ([*line.split("\t", 3), "", "", ""])[:4]
    if not _DIGEST.fullmatch(digest) or state not in ("complete", "building", "unfinished"):
        return None
    found = _marked(Environment(digest, f"{root}/envs/{digest}", state), marker)
    return replace(found, kb=answers.integer(kb) or found.kb)


def _shared(line: str, root: str) -> Environment | None:
    digest, owner, fault, marker = ([*line.split("\t", 3), "", "", ""])[:4]
    if not root or not _DIGEST.fullmatch(digest):
        return None
    found = _marked(Environment(digest, f"{root}/envs/{digest}", "complete"), marker)
    told = answers.clean(owner, 60), answers.clean(fault)
    return replace(found, shared=True, owner=told[0], fault=told[1])


def _marked(each: Environment, marker: str) -> Environment:
    known = answers.json_object(marker)
    return replace(
        each,
        kb=answers.whole(known.get("kb")) or 0,
        tool=answers.text(known.get("tool"), 20) or "",
        version=answers.text(known.get("version"), 40) or "",
        created=answers.whole(known.get("created")) or 0,
    )


def _with_users(
    each: Environment, fields: answers.Fields, workspaces: Sequence[Workspace]
) -> Environment:
    """Links and tools are of one's own root only."""
    key = "shared_process" if each.shared else "process"
    users = replace(
        each,
        used_by=tuple(one.name for one in workspaces if one.get("prefix") == each.prefix),
        earlier_of=tuple(one.name for one in workspaces if each.hash in earlier(one)[:1]),
        processes=tuple(int(pid) for pid in _of(each.hash, fields, key) if pid.isdecimal()),
    )
    if each.shared:
        return users
    names = [_pair(line) for line in answers.lines(fields, "link")]
    tools = [name for name in _of(each.hash, fields, "tool") if answers.text(name, 40)]
    linked = tuple(sorted(name for name, to in names if to == each.hash))
    return replace(users, names=linked, tools=tuple(tools))


def _of(digest: str, fields: answers.Fields, key: str) -> list[str]:
    """The second halves of a key's values that begin with this hash."""
    pairs = map(_pair, answers.lines(fields, key))
    return [second for first, second in pairs if first == digest]


def _pair(line: str) -> tuple[str, str]:
    first, _, second = line.partition("\t")
    return first, second


def garbage(
    environments: Sequence[Environment], *, earlier: bool = False
) -> tuple[Environment, ...]:
    """Those that nobody uses. ``earlier``: also those that a rollback would need. Never a shared
    one: who else uses it cannot be seen."""
    own = (each for each in environments if not each.shared and not each.wanted)
    return tuple(each for each in own if earlier or not each.earlier_of)


def meant(environments: Sequence[Environment], word: str) -> Environment:
    """The one with this hash, or the first letters of it, or a link of this name.

    Raises GpuwsError: ``environment-not-found``.
    """
    exact = [each for each in environments if word == each.hash or word in each.names]
    begun = [each for each in environments if len(word) >= _LEAST and each.hash.startswith(word)]
    found = exact or begun
    if len({each.hash for each in found}) == 1:
        return min(found, key=lambda each: each.shared)  # one's own before the group's
    known = ", ".join(each.hash for each in (found or environments)) or "none"
    raise GpuwsError(
        "environment-not-found",
        f"{'several environments begin' if found else 'no environment of gpuws is named or begins'}"
        f" with {word}",
        hint=f"there: {known}; `gpuws env list HOST` tells them apart",
        stage="environment",
    )


# --- a workspace's earlier environments -----------------------------------------------------------


def earlier(workspace: Workspace) -> tuple[str, ...]:
    """Hashes of the environments that it had before, the newest first."""
    found = workspace.raw.get("earlier")
    listed = found if isinstance(found, list) else []
    return tuple(each for each in listed if isinstance(each, str) and _DIGEST.fullmatch(each))


def hash_of(prefix: str, root: str) -> str:
    """The hash of a prefix that gpuws made under this root; "" for any other."""
    digest = prefix.rpartition("/")[2]
    ours = prefix == f"{root}/envs/{digest}" and _DIGEST.fullmatch(digest)
    return digest if ours else ""


def earlier_after(workspace: Workspace | None, prefix: str) -> list[str]:
    """What a workspace remembers once it starts in ``prefix``."""
    if workspace is None:
        return []
    before = workspace.get("prefix")
    digest = before.rpartition("/")[2]
    known = list(earlier(workspace))
    if before and before != prefix and before.endswith(f"/envs/{digest}"):
        known = [digest, *known] if _DIGEST.fullmatch(digest) else known
    now = prefix.rpartition("/")[2]
    return [each for each in dict.fromkeys(known) if each != now][:_MOST_KEPT]


def brought(workspace: Workspace) -> tuple[str, ...]:
    """What gpuws put beside the list of the file when it built a workspace's environment."""
    environment = workspace.raw.get("environment")
    added = environment.get("added") if isinstance(environment, dict) else None
    return tuple(each for each in added if isinstance(each, str)) if isinstance(added, list) else ()


def before(workspace: Workspace, environments: Sequence[Environment], word: str | None) -> str:
    """The prefix that a rollback goes back to: the named one, else the newest that is still there.

    Raises GpuwsError: ``environment-not-found``.
    """
    usable = [each for each in environments if each.state == "complete" and not each.fault]
    complete = {each.hash: each for each in sorted(usable, key=lambda each: not each.shared)}
    if word:
        return meant(tuple(complete.values()), word).prefix
    there = [complete[each] for each in earlier(workspace) if each in complete]
    if there:
        return there[0].prefix
    raise GpuwsError(
        "environment-not-found",
        f"no earlier environment of {workspace.name} is there any more",
        hint="name another by its hash: `gpuws env list HOST` has them",
        stage="environment",
    )


# --- words ----------------------------------------------------------------------------------------


def size(kb: int) -> str:
    if not kb:
        return "size ?"
    return f"{kb / 1e6:.1f} GB" if kb >= 1_000_000 else f"{kb / 1e3:.0f} MB"


def whose(each: Mapping[str, object]) -> str:
    """Why an environment of `env list --json` is there, in a few words."""

    def names(key: str) -> str:
        found = each[key]
        return ", ".join(map(str, found)) if isinstance(found, (list, tuple)) else ""

    if each["state"] == "building":
        return "being built"
    said = [f"shared by {each['owner']}"] if each.get("shared") else []
    said += [str(each["fault"])] if each.get("fault") else []
    said += [names("used_by"), *([f"gpuws's {names('tools')}"] if each["tools"] else [])]
    if each["processes"]:
        said.append(f"processes {names('processes')}")
    if each["earlier_of"]:
        said.append(f"rollback of {names('earlier_of')}")
    return "; ".join(part for part in said if part) or (
        "unfinished, nobody builds it" if each["state"] == "unfinished" else "nobody uses it"
    )
