"""Conda's match specs, taken apart. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The forms, read leniently: what may stand in them is config's to check.
SPEC = re.compile(
    r"(?P<channel>[^\s\[\]]+::)?"
    r"(?P<name>[A-Za-z0-9_*][A-Za-z0-9_.*-]*)"
    r"(?P<version>(?:[ =<>!~][^\[\]]*)?)"
    r"(?P<bracket>(?:\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])?)"
)
URL = re.compile(r"(https?|file)://[^\s]+\.(conda|tar\.bz2)(#[0-9a-z:]+)?")


@dataclass(frozen=True)
class CondaSpec:
    """A match spec in parts. ``version`` keeps its operator; ``build`` may be a pattern."""

    channel: str
    name: str
    version: str
    build: str
    bracket: str

    @property
    def exact_build(self) -> bool:
        return bool(self.build) and not set(self.build) & set("*^$")


def parsed(spec: str) -> CondaSpec | None:
    """The parts of a checked spec; None for the URL of a package."""
    found = None if URL.fullmatch(spec) else SPEC.fullmatch(spec)
    if not found:
        return None
    version, build = _version_and_build(found["version"])
    bracket = dict(re.findall(r"(\w+) *= *['\"]?([^'\",\]]+)", found["bracket"]))
    return CondaSpec(
        found["channel"] or "",
        found["name"].lower(),
        version or bracket.get("version", ""),
        build or bracket.get("build", ""),
        found["bracket"],
    )


def _version_and_build(text: str) -> tuple[str, str]:
    """``=1.2=h0`` and ``" 1.2 h0"`` have a build; ``==1.2`` and ``>=1,<2`` have none."""
    spaced = text.strip(" ").split(" ")
    if text.startswith(" "):  # "numpy 1.26 py311_0": an exact version
        operator = "" if re.match(r"[<>=!~*]", spaced[0]) else "=="
        return operator + spaced[0], " ".join(spaced[1:])
    if len(spaced) > 1:
        return spaced[0], " ".join(spaced[1:])
    fuzzy = re.fullmatch(r"(={1,2}[^=<>!~]+)=([^=]+)", text)
    return (fuzzy[1], fuzzy[2]) if fuzzy else (text, "")
