"""``workspace`` lines of the host → Workspace values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from gpuws.plan import answers
from gpuws.plan.answers import Fields
from gpuws.plan.forwards import believed, joined
from gpuws.plan.model import Target, Workspace
from gpuws.plan.naming import NAME

STATES = frozenset(
    ["running", "starting", "building", "crashed", "stopped", "rebooted", "moved", "silent"]
)
_MAX_LINE = answers.MAX_JSON + 8192
_MAX_WORKSPACES = 256


def workspaces_from(fields: Fields) -> tuple[Workspace, ...]:
    """Each ``workspace<TAB>NAME<TAB>STATE<TAB>SINCE<TAB>TARGET<TAB>JSON`` that can be believed.

    A broken workspace.json leaves the workspace in the list with an empty ``raw``: `status` can
    show it and `down` can end it. A newer schema is kept as it is; of the keys that gpuws acts on,
    those with a value that cannot be true are left out.
    """
    found: dict[str, Workspace] = {}
    made = _forwards(fields)
    for line in fields.get("workspace", [])[:_MAX_WORKSPACES]:
        workspace = _workspace(line)
        if workspace and workspace.name not in found:
            found[workspace.name] = _with_forwards(workspace, made.get(workspace.name, []))
    return tuple(found.values())


def _forwards(fields: Fields) -> dict[str, list[tuple[str, str]]]:
    """``forward<TAB>WORKSPACE<TAB>NAME<TAB>WORDS``: (name, words) by workspace."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in answers.lines(fields, "forward"):
        workspace, _, rest = line.partition("\t")
        name, _, words = rest.partition("\t")
        found.setdefault(workspace, []).append((name, words))
    return found


def _with_forwards(workspace: Workspace, made: list[tuple[str, str]]) -> Workspace:
    """Those made by hand, then those that its start declared."""
    declared = workspace.raw.get("forwards")
    pairs = list(declared.items()) if isinstance(declared, dict) else []
    return replace(workspace, forwards=joined(believed(made), believed(pairs)))


def _workspace(line: str) -> Workspace | None:
    parts = line.split("\t", 4) if len(line) <= _MAX_LINE else []
    if len(parts) != 5 or not NAME.fullmatch(parts[0]) or parts[1] not in STATES:
        return None
    name, state, since, target, document = parts
    return Workspace(
        name=name,
        state=state,
        raw=_document(name, answers.json_object(document)),
        since=answers.integer(since) or 0,
        target=target_from(target),
        elsewhere=target == "elsewhere",
    )


def target_from(text: str) -> Target | None:
    """``unix:/abs/path`` or ``tcp:PORT``; None for "-" and for what cannot be true."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and (found := answers.socket(rest)):
        return Target(socket=found)
    if kind == "tcp" and (number := answers.port(answers.integer(rest))):
        return Target(port=number)
    return None


def _document(name: str, raw: dict[str, object]) -> dict[str, object]:
    """The file's content, {} when it is not that workspace's or has no schema."""
    if answers.whole(raw.get("schema"), 1) is None or raw.get("name", name) != name:
        return {}
    return {key: value for key, value in raw.items() if _believable(_SHAPES.get(key), value)}


Check = Callable[[object], bool]


def _believable(check: Check | None, value: object) -> bool:
    return check is None or check(value)


def _is_path(value: object) -> bool:
    return answers.path(value) is not None


def _is_text(value: object) -> bool:
    return value == "" or answers.text(value, 512) is not None


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_index_list(value: object) -> bool:
    return isinstance(value, list) and all(
        answers.whole(each, 0, 1023) is not None for each in value
    )


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(each) for each in value.values())


def _is_owner(value: object) -> bool:
    """Any words: a laptop's folder may hold emoji joiners, and an owner that is not believed would
    open the workspace to everybody. Whoever shows them makes them printable."""
    if not isinstance(value, dict):
        return False
    return all(isinstance(each, str) and len(each) <= answers.MAX_TEXT for each in value.values())


def _is_environment(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    added = value.get("added", [])
    plain = {key: each for key, each in value.items() if key != "added" and each is not None}
    return _is_text_map(plain) and isinstance(added, list) and all(map(_is_text, added))


def _is_git(value: object) -> bool:
    return isinstance(value, dict) and all(_is_text(v) or _is_bool(v) for v in value.values())


_SHAPES: Mapping[str, Check] = {
    "gpuws": _is_text,
    "name": _is_text,
    "id": _is_text,
    "host": _is_text,
    "owner": _is_owner,
    "node": _is_text,
    "boot_id": _is_text,
    "engine": _matches(r"[a-z]{1,16}"),
    "run": _is_path,
    "base_url": _matches(r"/w-[0-9a-f]{16}/"),
    "instance": _matches(r"[0-9a-f]{32}"),
    "dir": _is_path,
    "prefix": _is_path,
    "environment": _is_environment,
    "gpus": _or_none(_is_index_list),
    "gpus_wanted": _or_none(_is_text),
    "use_env": _or_none(_is_text),
    "local_port": lambda value: answers.port(value) is not None,
    "jupyter": _is_bool,
    "forwards": _is_text_map,
    "git": _or_none(_is_git),
    "created": lambda value: answers.whole(value) is not None,
}
"""What the keys that gpuws acts on must look like. Other keys are kept untouched."""
