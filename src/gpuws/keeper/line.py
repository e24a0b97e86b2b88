"""The one connection to one host: made on first use, made again when it breaks."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from gpuws.errors import GpuwsError
from gpuws.keeper.nobody import Nobody
from gpuws.plan.healing import Link, Verdict, verdict
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach

_DIAL = 4.0  # seconds that a try to reconnect waits for the server's first words, at least
_LOGIN = 10.0  # seconds that a login may take where nobody has to type


def resolve(reach: Reach) -> Profile:
    """The profile as `ssh` resolves it, with what the command line changes."""
    from pathlib import Path

    from gpuws.host import profile

    config = Path(reach.ssh_config) if reach.ssh_config else None
    found = profile.resolve(
        reach.destination, ssh_config=config, port=reach.port or reach.entry.port
    )
    return as_asked(reach, found)


def as_asked(reach: Reach, found: Profile) -> Profile:
    """The profile with --accept-new and --timeout."""
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
    """``link`` says how it stands; one thread at a time makes a connection."""

    def __init__(self) -> None:
        self._host: Host | None = None
        self._lock = threading.Lock()
        self._failed: tuple[float, GpuwsError] | None = None  # the last try, and when it ended
        self.reach: Reach | None = None  # as the last one who got through asked
        self.link = Link(since=time.monotonic())
        self.connections = 0  # made so far

    @property
    def host(self) -> Host | None:
        return self._host

    def alive(self) -> bool:
        return self._host is not None and self._host.alive()

    def get(self, reach: Reach, ask: Ask, progress: Progress) -> Host:
        """The connection, for a person who may be asked. Who waited for a try of somebody else
        that no answer of theirs would have helped has its error: a server is not knocked at twice.
        """
        asked = time.monotonic()
        with self._lock:
            if self._host is None or not self._host.alive():
                if self._failed and self._failed[0] > asked:
                    raise self._failed[1]
                try:
                    self._connect(reach, resolve(reach), ask, progress)
                except GpuwsError as error:
                    raise _nearer(error, reach) from None
            assert self._host is not None  # noqa: S101 - _connect made it
            return self._host

    def again(self, ask: Ask, progress: Progress) -> None:
        """One try to make it again as it was, without much patience. Raises what `get` does."""
        with self._lock:
            if self.alive() or self.reach is None:
                return
            distance = self._host.latency() if self._host else 0.0
            profile = resolve(self.reach)
            patience = min(profile.connect_timeout, max(_DIAL, 8 * distance))
            hasty = replace(
                profile,
                connect_timeout=patience,
                login_timeout=_LOGIN if isinstance(ask, Nobody) else None,
            )
            self._connect(self.reach, hasty, ask, progress)

    def _connect(self, reach: Reach, profile: Profile, ask: Ask, progress: Progress) -> None:
        from gpuws.host.connect import connect

        try:
            made = connect(profile, ask, progress)
        except GpuwsError as error:
            if verdict(error) is not Verdict.PERSON:
                self._failed = time.monotonic(), error
            raise
        before, self._host = self._host, made
        self.reach = reach
        self.connections += 1
        self.link = Link(since=time.monotonic())
        if before is not None:
            before.close()

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
