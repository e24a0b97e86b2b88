"""The real world, put together: used by the keeper and by verbs that run without one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gpuws.errors import GpuwsError
from gpuws.journeys.world import Forwards, Terminal, World
from gpuws.keeper.counted import Counted
from gpuws.keeper.line import Line, resolve
from gpuws.plan.model import Secret
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach
from gpuws.records import Records

_LARGEST_DOWNLOAD = 200 << 20  # bytes


def fetch(url: str) -> bytes:
    """Download on the laptop, for hosts without a way out. Proxy variables are honoured."""
    import urllib.request

    if not url.startswith(("https://", "http://", "file://")):
        raise GpuwsError("channel-unreachable", f"{url} is neither http(s) nor a file")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - checked above
            data: bytes = answer.read(_LARGEST_DOWNLOAD + 1)
    except OSError as error:
        raise GpuwsError(
            "channel-unreachable", f"the laptop cannot download {url}: {error}"
        ) from error
    if len(data) > _LARGEST_DOWNLOAD:
        raise GpuwsError("channel-unreachable", f"{url} is larger than 200 MB")
    return data


def real_world(
    line: Line, forwards: Forwards, report: Progress, ask: Ask, terminal: Terminal
) -> World:
    @contextmanager
    def host(reach: Reach) -> Iterator[Host]:
        found = line.get(reach, ask, report)
        yield Counted(found, report if reach.verbose >= 2 else None)

    @contextmanager
    def apart(reach: Reach) -> Iterator[Host]:
        own = Line()
        try:
            yield Counted(own.get(reach, ask, report), report if reach.verbose >= 2 else None)
        finally:
            own.close()

    return World(
        host=host,
        apart=apart,
        resolve=resolve,
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
        sleep=time.sleep,
    )
