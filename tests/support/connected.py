"""A connection as a command makes one, to a server of the tests, with nobody at the keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gpuws.host.connect import connect
from gpuws.plan.ports import Host
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.sshd import ALIAS
from tests.support.transports import profile_of


@contextlib.contextmanager
def connected(config: Path, alias: str = ALIAS) -> Iterator[Host]:
    """``config``: the client's ssh_config."""
    host = connect(profile_of(alias, config), Nobody(), Ear())
    try:
        yield host
    finally:
        host.close()
