"""How long a login that needed a person is kept after its last use. Pure."""

from __future__ import annotations

import re

from gpuws.plan.model import HostEntry, Profile

USUAL = 8 * 3600.0  # seconds
MOST = 7 * 24 * 3600.0  # seconds
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = r"([0-9]{1,7})([smhdw]?)"


def duration(text: str) -> float | None:
    """Seconds, as ssh_config writes times: 8h, 1h30m, 600; None where it is none."""
    if not re.fullmatch(f"(?:{_PART})+", text.lower()):
        return None
    parts = re.findall(_PART, text.lower())
    return float(sum(int(count) * _UNITS[unit] for count, unit in parts))


def persistence(master: str, persist: str) -> float | None:
    """ControlPersist as `ssh -G` prints it, in seconds; None where the user keeps no logins."""
    if master in ("no", "false") or persist in ("no", "false"):
        return None
    seconds = duration(persist)
    return MOST if persist in ("yes", "true") or seconds == 0 else seconds


def keeping(entry: HostEntry, profile: Profile) -> float:
    """Seconds; 0: not at all. hosts.yaml first, then what the user lets ssh do."""
    chosen = (entry.keep_login, profile.control_persist, USUAL)
    return min(next(each for each in chosen if each is not None), MOST)


def words(seconds: float) -> str:
    """For a person."""
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
