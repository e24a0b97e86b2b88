"""The real world, put together: used by the keeper and by verbs that run without one."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.journeys.world import Forwards, Terminal, World
from gpuws.keeper.counted import Counted
from gpuws.plan.model import Profile, Secret, Target
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach
from gpuws.records import Records

if TYPE_CHECKING:
    from gpuws.tunnel.ahead import Ahead
    from gpuws.tunnel.forward import Forward

_LARGEST_DOWNLOAD = 200 << 20  # bytes


def resolve(reach: Reach) -> Profile:
    """The profile as `ssh` resolves it, with what the command line changes."""
    from pathlib import Path

    from gpuws.host import profile

    config = Path(reach.ssh_config) if reach.ssh_config else None
    found = profile.resolve(
        reach.destination, ssh_config=config, port=reach.port or reach.entry.port
    )
    if reach.accept_new and found.strict_host_key_checking == "ask":
        found = replace(found, strict_host_key_checking="accept-new")
    if reach.timeout:
        found = replace(found, connect_timeout=reach.timeout)
    return found


def _nearer(error: GpuwsError, reach: Reach) -> GpuwsError:
    """For a name that ssh does not know, hosts.yaml may have what was meant."""
    if error.code == "unknown-host" and reach.near:
        error.hint = f"did you mean {' or '.join(reach.near)}? {error.hint}"
    return error


class Line:
    """The one connection to one host: dialled on first use, again only when it is dead."""

    def __init__(self) -> None:
        self._host: Host | None = None
        self._lock = threading.Lock()

    def get(self, reach: Reach, ask: Ask, progress: Progress) -> Host:
        from gpuws.host.connect import connect

        with self._lock:
            if self._host is None or not self._host.alive():
                try:
                    self._host = connect(resolve(reach), ask, progress)
                except GpuwsError as error:
                    raise _nearer(error, reach) from None
            return self._host

    @property
    def host(self) -> Host | None:
        return self._host

    def close(self) -> None:
        if self._host is not None:
            self._host.close()


@dataclass
class Held:
    """A workspace's forward and who wants it open."""

    forward: Forward
    target: Target


class HeldForwards:
    """Forwards over one line, by workspace name."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.held: dict[str, Held] = {}

    def open(
        self,
        name: str,
        target: Target,
        *,
        port: int | None,
        wanted: int,
        ahead: Ahead | None = None,
    ) -> int:
        from gpuws.tunnel.forward import open_forward

        host = self._line.host
        if host is None:
            raise GpuwsError("connection-lost", "there is no connection to the host")
        open_flow = ahead or (lambda sink: host.open_flow(target, sink))
        known = self.held.get(name)
        if known and port in (None, known.forward.local_port):
            known.forward.retarget(open_flow)
            known.target = target
            return known.forward.local_port
        forward = open_forward(open_flow, port, wanted=wanted)
        if known:
            known.forward.close()
        self.held[name] = Held(forward, target)
        return forward.local_port

    def port(self, name: str) -> int | None:
        held = self.held.get(name)
        return held.forward.local_port if held else None

    def close(self, name: str) -> bool:
        held = self.held.pop(name, None)
        if held:
            held.forward.close()
        return held is not None

    def close_all(self) -> None:
        for name in tuple(self.held):
            self.close(name)


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

    return World(
        host=host,
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
