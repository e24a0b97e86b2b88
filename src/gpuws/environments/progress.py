"""What a build's log lines mean to a person who waits. Untrusted text comes in. Pure."""

from __future__ import annotations

import re

from gpuws.host.sanitise import sanitise

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINKING = re.compile(r"Linking (\S+)-([^-\s]+)-([^-\s]+)\s*")
_TOTAL = re.compile(r"\s*Install: (\d+) packages?\s*")
_PIP = re.compile(
    r"(?:Collecting|Downloading|Using cached|Building wheel|Installing build dependencies|"
    r"Preparing metadata|Installing collected packages|Successfully installed|Processing|Obtaining)"
)
_UV = re.compile(
    r"\s*(?:Resolved|Prepared|Installed|Downloading|Downloaded|Building|Built|Using)\b.*"
)
_SOURCE = re.compile(r" \(from -r .* \(line \d+\)\)$")  # a path of ours, which helps nobody
_WIDTH = 160


def plain(text: str) -> str:
    """One line without anything that a terminal would act on."""
    return sanitise(_COLOUR.sub("", text), 1000).replace("\t", "  ").rstrip()


class Lines:
    """Turns log lines into progress lines; None: not worth showing."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._total = 0
        self._linked = 0

    def read(self, text: str) -> str | None:
        line = _SOURCE.sub("", plain(text))[:_WIDTH]
        if not line.strip(" -─━\t"):
            return None
        total = _TOTAL.fullmatch(line)
        if total:
            self._total, self._linked = int(total[1]), 0
            return f"{self._total} packages"
        linking = _LINKING.fullmatch(line)
        if linking:
            return self._link(linking[1], linking[2])
        if line.startswith("gpuws: "):
            return line.removeprefix("gpuws: ")
        if _PIP.match(line.strip()):
            return f"{'uv' if self._tool == 'uv' else 'pip'}: {line.strip()}"
        return f"uv: {line.strip()}" if self._tool == "uv" and _UV.fullmatch(line) else line.strip()

    def _link(self, name: str, version: str) -> str:
        self._linked += 1
        text = f"Linking {name} {version}"
        return f"{text} ({self._linked} of {self._total} packages)" if self._total else text
