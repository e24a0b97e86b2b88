"""The real world, put together: used by the keeper and by verbs that run without one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from gpuws.environments.fetching import Arriving
from gpuws.journeys.world import Forwards, Terminal, World
from gpuws.keeper.counted import Counted
from gpuws.keeper.line import Line, resolve
from gpuws.plan.model import Secret
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach
from gpuws.records import Records


def fetch(url: str) -> bytes:
    """Few verbs download: HTTP is imported for them only."""
    from gpuws.keeper import downloading

    return downloading.fetch(url)


def download(url: str, begin: int = 0) -> AbstractContextManager[Arriving]:
    from gpuws.keeper import downloading

    return downloading.download(url, begin)


def real_world(
    line: Line, forwards: Forwards, report: Progress, ask: Ask, terminal: Terminal
) -> World:
    @contextmanager
    def host(reach: Reach) -> Iterator[Host]:
        found = line.get(reach, ask, report)
        yield Counted(found, report if reach.verbose >= 2 else None)

    def node(reach: Reach, name: str) -> Host:
        found = line.get(replace(reach, node=name), ask, report)
        return Counted(found, report if reach.verbose >= 2 else None)

    @contextmanager
    def apart(reach: Reach) -> Iterator[Host]:
        own = Line()
        try:
            yield Counted(own.get(reach, ask, report), report if reach.verbose >= 2 else None)
        finally:
            own.close()

    return World(
        host=host,
        node=node,
        apart=apart,
        resolve=resolve,
        kept_until=lambda: kept.until if (kept := line.kept()) else None,
        forwards=forwards,
        terminal=terminal,
        records=Records(),
        report=report,
        ask=ask,
        clock=time.monotonic,
        now=time.time,
        new_secret=lambda: Secret(secrets.token_hex(32)),
        new_id=lambda digits: secrets.token_hex(digits // 2),
        fetch=fetch,
        download=download,
        sleep=time.sleep,
    )
