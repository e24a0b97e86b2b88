"""The two engines that make a connection, for tests that must hold with both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.transport import PARAMIKO

_now = [PARAMIKO]


@contextlib.contextmanager
def by(transport: str) -> Iterator[None]:
    """Whatever `connected` and `log_in` connect in the block, they connect with this engine."""
    before, _now[0] = _now[0], transport
    try:
        yield
    finally:
        _now[0] = before


def profile_of(alias: str, config: Path) -> Profile:
    return replace(resolve(alias, ssh_config=config), transport=_now[0])
