"""A second host beside a lab's, which its laptop reaches under another name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import leftovers
from tests.support.lab import Lab, end_sessions
from tests.support.sshd import Sshd, running_sshd

OTHER = "trainbox"


@dataclass(frozen=True)
class Other:
    server: Sshd
    home: Path

    @property
    def root(self) -> Path:
        return self.home / "gpuws"


@contextlib.contextmanager
def other_host(lab: Lab, folder: Path, home: str, env: dict[str, str]) -> Iterator[Other]:
    """``home``: the name of its HOME folder; ``env``: variables of its logins."""
    home_folder = folder / home
    home_folder.mkdir(parents=True)
    mark = {leftovers.MARK: os.environ.get(leftovers.MARK, "")}
    server_folder = folder / "other"
    with running_sshd(server_folder, home=home_folder, env={**mark, **env}, alias=OTHER) as server:
        both = lab.server.config_block() + server.config_block()
        lab.server.config.write_text(both)
        try:
            yield Other(server, home_folder)
        finally:
            end_sessions(home_folder)
