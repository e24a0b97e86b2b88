"""The environments under a root: who uses which, and which nobody wants any more. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    @property
    def wanted(self) -> bool:
        """Somebody uses it or builds it."""
        return bool(self.used_by or self.processes or self.tools) or self.state == "building"


def inventory_from(
    fields: answers.Fields, root: str, workspaces: Sequence[Workspace]
) -> tuple[Environment, ...]:
    """The newest first. What the host says is checked like everything it says."""
    links = [_pair(line) for line in answers.lines(fields, "link")]
    pids = [_pair(line) for line in answers.lines(fields, "process")]
    tools = [_pair(line) for line in answers.lines(fields, "tool")]
    found = []
    for line in answers.lines(fields, "environment"):
        digest, state, kb, marker = ([*line.split("\t", 3), "", "", ""])[:4]
        if not _DIGEST.fullmatch(digest) or state not in ("complete", "building", "unfinished"):
            continue
        prefix = f"{root}/envs/{digest}"
        known = answers.json_object(marker)
        found.append(
            Environment(
                hash=digest,
                prefix=prefix,
                state=state,
                kb=answers.integer(kb) or answers.whole(known.get("kb")) or 0,
                tool=answers.text(known.get("tool"), 20) or "",
                version=answers.text(known.get("version"), 40) or "",
                created=answers.whole(known.get("created")) or 0,
                names=tuple(sorted(name for name, to in links if to == digest)),
                used_by=tuple(each.name for each in workspaces if each.get("prefix") == prefix),
                earlier_of=tuple(each.name for each in workspaces if digest in earlier(each)[:1]),
                processes=tuple(int(pid) for to, pid in pids if to == digest and pid.isdecimal()),
                tools=tuple(name for to, name in tools if to == digest and answers.text(name, 40)),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.created, each.hash)))


def _pair(line: str) -> tuple[str, str]:
    first, _, second = line.partition("\t")
    return first, second


def garbage(
    environments: Sequence[Environment], *, earlier: bool = False
) -> tuple[Environment, ...]:
    """Those that nobody uses. ``earlier``: also those that a rollback would need."""
    return tuple(
        each for each in environments if not each.wanted and (earlier or not each.earlier_of)
    )


def meant(environments: Sequence[Environment], word: str) -> Environment:
    """The one with this hash, or the first letters of it, or a link of this name.

    Raises GpuwsError: ``environment-not-found``.
    """
    exact = [each for each in environments if word == each.hash or word in each.names]
    begun = [each for each in environments if len(word) >= _LEAST and each.hash.startswith(word)]
    found = exact or begun
    if len(found) == 1:
        return found[0]
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
    complete = {each.hash: each for each in environments if each.state == "complete"}
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
    said = [names("used_by"), *([f"gpuws's {names('tools')}"] if each["tools"] else [])]
    if each["processes"]:
        said.append(f"processes {names('processes')}")
    if each["earlier_of"]:
        said.append(f"rollback of {names('earlier_of')}")
    return "; ".join(part for part in said if part) or (
        "unfinished, nobody builds it" if each["state"] == "unfinished" else "nobody uses it"
    )
