"""The one connection to one host: made on first use, made again when it breaks."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from gpuws.errors import GpuwsError
from gpuws.keeper.entry import same_way, told, with_entry
from gpuws.keeper.kept import Kept, PersonWanted
from gpuws.keeper.nobody import Nobody
from gpuws.plan import keeping
from gpuws.plan.healing import Link, Verdict, verdict
from gpuws.plan.model import Profile
from gpuws.plan.ports import Ask, Host, Progress
from gpuws.plan.requests import Reach

_DIAL = 4.0  # seconds that a try to reconnect waits for the server's first words, at least
_LOGIN = 10.0  # seconds that a login may take where nobody has to type


def resolve(reach: Reach) -> Profile:
    """The profile as `ssh` resolves it, with what hosts.yaml and the command line change."""
    from pathlib import Path

    from gpuws.host import profile

    config = Path(reach.ssh_config) if reach.ssh_config else None
    found = profile.resolve(
        reach.destination, ssh_config=config, port=reach.port or reach.entry.port
    )
    return as_asked(reach, found)


def as_asked(reach: Reach, found: Profile) -> Profile:
    """The profile with what the entry of hosts.yaml and the command line change."""
    found = with_entry(found, reach.entry)
    if reach.accept_new and found.strict_host_key_checking == "ask":
        found = replace(found, strict_host_key_checking="accept-new")
    if reach.transport or reach.entry.transport:
        found = replace(found, transport=reach.transport or reach.entry.transport)
    if reach.timeout:
        found = replace(found, connect_timeout=reach.timeout)
    return found


def _needs_person(reach: Reach) -> GpuwsError:
    return GpuwsError(
        "authentication-failed",
        f"the login to {reach.host} needs a person: `gpuws attach {reach.host}` logs in again",
        hint=f"gpuws attach {reach.host}",
        stage="connect",
    )


def _stay() -> None:
    """The person is asked where the login is made."""


def _made(reach: Reach, profile: Profile, ask: Ask, progress: Progress, last: str) -> Host:
    """``last``: the address of the machine behind the name that was reached before."""
    from gpuws.host.bridge.bridged import bridged_where_needed
    from gpuws.host.connect import connect
    from gpuws.host.nodes import connect_to_node

    if reach.node:
        host = connect_to_node(profile, reach.node, ask, progress, known=last)
    else:
        host = connect(profile, ask, progress)
    try:
        return bridged_where_needed(host, reach.entry.bridge, reach.entry.root or "", progress)
    except BaseException:
        host.close()
        raise


class Line:
    """``link`` says how it stands; one thread at a time makes a connection.

    ``keeps``: a login that a person did something for outlives the one who asked for it.
    ``hands_over``: for such a login PersonWanted is raised, before anything is asked.
    """

    def __init__(self, *, keeps: bool = False, hands_over: bool = False) -> None:
        self._keeps = keeps
        self._hands_over = hands_over
        self._kept: Kept | None = None
        self._attended = False  # the last login needed a person
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

    def kept(self) -> Kept | None:
        """The login that stays by itself, as long as it does."""
        kept = self._kept
        return kept if kept and self.alive() and not kept.over() else None

    def get(self, reach: Reach, ask: Ask, progress: Progress) -> Host:
        """The connection, for a person who may be asked. Who waited for a try of somebody else
        that no answer of theirs would have helped has its error: a server is not knocked at twice.
        """
        asked = time.monotonic()
        with self._lock:
            if not self.alive() or not self._leads_there(reach):
                if self._failed and self._failed[0] > asked:
                    raise self._failed[1]
                try:
                    self._connect(reach, resolve(reach), ask, progress)
                except GpuwsError as error:
                    raise told(error, reach) from None
            assert self._host is not None  # noqa: S101 - _connect made it
            return self._host

    def _leads_there(self, reach: Reach) -> bool:
        return self.reach is None or same_way(self.reach, reach)

    def again(self, ask: Ask, progress: Progress) -> None:
        """One try to make it again as it was, without much patience. Raises what `get` does.

        A login that a person is needed for is not even begun without one: the server would count
        a failure, and a key would wait to be touched.
        """
        with self._lock:
            if self.alive() or self.reach is None:
                return
            if self._attended and isinstance(ask, Nobody):
                raise _needs_person(self.reach)
            distance = self._host.latency() if self._host else 0.0
            profile = resolve(self.reach)
            patience = min(profile.connect_timeout, max(_DIAL, 8 * distance))
            hasty = replace(
                profile,
                connect_timeout=patience,
                login_timeout=_LOGIN if isinstance(ask, Nobody) else None,
                busy_tries=1,  # the pauses between tries are the healer's
            )
            self._connect(self.reach, hasty, ask, progress)

    def _connect(self, reach: Reach, profile: Profile, ask: Ask, progress: Progress) -> None:
        from gpuws.host.attended import Attended

        seconds = keeping.keeping(reach.entry, profile)
        attended = Attended(ask, self._hand_over if self._hands_over and seconds else _stay)
        try:
            made = _made(reach, profile, attended, progress, self._address())
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
        self._attended = attended.needed
        self._kept = (
            Kept(reach.host, seconds) if self._keeps and seconds and attended.needed else None
        )
        if self._kept:
            self._kept.use()
            progress.note(self._kept.words())

    def _hand_over(self) -> None:
        raise PersonWanted

    def _address(self) -> str:
        """Of the machine that was reached last; "" where it is not known."""
        peer = self._host.peer() if self._host else None
        return str(peer[0]) if peer else ""

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
