"""What `env diff` tells a person."""

from __future__ import annotations

import time
from typing import Any

from gpuws.plan.changes import Touch
from gpuws.plan.codec import decode
from gpuws.plan.drift import Package

_FILE = {
    "same": "the environment file here declares this environment",
    "changed": "the environment file here declares another one: `up` builds it beside",
    "none": "there is no environment file here to compare with",
}

_LOCK = {
    "same": "its lock names exactly this one",
    "changed": "its lock names another one: `up` builds that beside",
    "stale": "its lock was made for another state of the file: `gpuws env lock` renews it",
    "none": "",
}


def lines(result: dict[str, Any]) -> list[str]:
    told = [
        f"{result['workspace']}: {result['prefix']}",
        _FILE[result["file"]],
        *filter(None, (_LOCK[result["lock"]],)),
        *(f"  the file asks for {each}" for each in result["unmet"]),
        *(f"  no longer in the file: {each}" for each in result["unasked"]),
        *(f"these do not go together: {each}" for each in result["mixes"]),
    ]
    if not result["recorded"]:
        return [*told, "what was built is not recorded, so what changed since cannot be told"]
    return [*told, *_since(result)]


def _since(result: dict[str, Any]) -> list[str]:
    who = _who(result["touched"])

    def words(package: dict[str, Any], *, signed: bool = False) -> str:
        found = decode(Package, package)
        return found.words + (who.get(found.key, "") if signed else "")

    asked, pulled = result["asked_for"], result["pulled_in"]
    changes = [
        *(f"+ {words(each, signed=True)}" for each in result["added"]),
        *(f"- {words(each)}" for each in result["removed"]),
        *(f"~ {words(old)} -> {words(new, signed=True)}" for old, new in result["changed"]),
        *(f"! overwritten: {each}" for each in result["overwritten"]),
    ]
    ran = [f"  {each['date']}  {each['line']}" for each in result["commands"]]
    return [
        f"{asked + pulled} packages: {asked} asked for, {pulled} pulled in",
        *(changes or ["nothing changed since it was built"]),
        *(["conda's history since then:", *ran] if ran else []),
    ]


def _who(touched: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """By kind and name: who wrote the package's entry, and when."""
    said = {}
    for each in touched:
        touch = decode(Touch, each)
        if touch.when:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(touch.when))
            came = ", asked for" if touch.asked else ""
            said[touch.package.key] = f"  (by {touch.owner or '?'}, {when}{came})"
    return said
