"""The Host port over one authenticated paramiko transport."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator

from gpuws.errors import GpuwsError
from gpuws.host import session
from gpuws.host.arrivals import Arrived
from gpuws.host.channel import Channel, ChannelStream
from gpuws.host.process import ScriptProcess
from gpuws.host.refusal import ChannelRefused, refused
from gpuws.host.script import fields, script
from gpuws.host.sessions import Sessions
from gpuws.host.transport import WINDOW, Transport
from gpuws.host.watchdog import Watchdog
from gpuws.plan.model import Profile, Target
from gpuws.plan.ports import FAR, Flow, Process, Reply, Script, Sink, Stream


class ParamikoHost:
    """One connection. Safe to use from several threads; ``close`` may be called twice."""

    def __init__(self, transport: Transport, profile: Profile) -> None:
        self.profile = profile
        self._transport = transport
        self._sessions = Sessions(transport)
        # other servers take no more than some thousand bytes, and say nothing when it is too much
        self._takes_long_lines = "OpenSSH" in transport.remote_version
        self._calls = itertools.count(1)
        self._made = 0
        self._counting = threading.Lock()
        self._watchdog = Watchdog(transport, profile.alive_interval, profile.alive_count)

    @property
    def calls(self) -> int:
        return self._made

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        """Run a script to its end in one session. ``cap``: bytes of output that are kept."""
        self._count()
        with self._naming_the_way():
            return self._run(script, args, timeout, cap, in_sight)

    def _run(
        self, script: Script, args: tuple[str, ...], timeout: float, cap: int, in_sight: bool
    ) -> Reply:
        spare = self._sessions.spare(wait=not in_sight)
        if spare is None and in_sight and self._takes_long_lines:
            with contextlib.suppress(_Unanswered), self._sessions.new(script.name) as channel:
                return _on_the_line(channel, script, args, timeout, cap)
            self._takes_long_lines = False  # a shell of its own kind: stdin works with any
        with spare or self._sessions.new(script.name) as channel:
            return session.run(channel, script, args, timeout=timeout, cap=cap)

    @contextlib.contextmanager
    def _naming_the_way(self) -> Iterator[None]:
        """What was lost may be a jump host or a proxy command, not the host."""
        try:
            yield
        except GpuwsError as error:
            raise self._transport.wire.explained(error) from None

    def prepare(self) -> None:
        """Have a session open by the time of the next call, where that spares round trips."""
        if self._transport.round_trip > FAR:
            self._sessions.prepare()

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        self._count()
        with self._naming_the_way(), self._sessions.new(script.name) as channel:
            return session.run(channel, script, args, timeout=timeout, cap=1 << 20, data=data)

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        """Write ``path`` on the host in one step. Raises read-only, disk-full, connection-lost."""
        program = script("gpuws.host", "upload.sh")
        size = str(len(data))
        fields(self.feed(program, path, size, format(mode, "o"), data=(data,), timeout=timeout))

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream:
        """Bytes to a Unix socket or a loopback port of the host.

        Raises forwarding-refused when the server forbids it, tunnel-failed when nothing listens.
        """
        self._count()
        try:
            channel = self._transport.open_target(target, timeout)
        except ChannelRefused as error:
            raise refused(target, error.code, str(error)) from None
        except TimeoutError:
            raise session.too_slow(f"opening {target}", timeout) from None
        except EOFError:
            raise session.lost(f"opening {target}") from None
        return ChannelStream(channel, WINDOW)

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        """A flow for one connection of a forward. Raises connection-lost."""
        try:
            return self._transport.open_flow(target, sink)
        except EOFError:
            raise session.lost(f"opening {target}") from None

    def lead_here(self, port: int, arrived: Arrived) -> None:
        self._count()
        try:
            taken = self._transport.listen_there(port, arrived, 10.0)
        except TimeoutError:
            raise session.too_slow(f"listening on port {port}", 10.0) from None
        except EOFError:
            raise session.lost(f"listening on port {port}") from None
        if not taken:
            raise GpuwsError(
                "forwarding-refused",
                f"the server does not let its port {port} lead to this laptop",
                hint="another program may have it; in its sshd_config: AllowTcpForwarding, "
                "PermitListen",
            )

    def lead_nowhere(self, port: int) -> None:
        self._transport.listen_no_more(port)

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        """Start a script whose stdin stays open. ``pty``: (columns, rows)."""
        self._count()
        channel = self._sessions.open(script.name)
        try:
            return ScriptProcess(channel, script, args, pty=pty, term=term)
        except BaseException:
            channel.close()
            raise

    def alive(self) -> bool:
        return self._transport.is_active() and not self._transport.wire.closed

    def answers(self, seconds: float) -> bool:
        return self._watchdog.answers(seconds)

    def latency(self) -> float:
        return self._transport.latest_round_trip or self._transport.round_trip

    def distance(self) -> float:
        return self._transport.round_trip

    def peer(self) -> tuple[object, ...] | None:
        return self._transport.wire.peer

    def last_heard(self) -> float:
        return self._transport.wire.last_heard

    def close(self) -> None:
        """End the connection, and those of the jump hosts under it."""
        self._watchdog.stop()
        self._transport.wire.close()
        self._transport.close()

    def _count(self) -> None:
        with self._counting:
            self._made = next(self._calls)


class _Unanswered(Exception):
    """The login shell did not understand the command line."""


def _on_the_line(
    channel: Channel, script: Script, args: tuple[str, ...], timeout: float, cap: int
) -> Reply:
    try:
        return session.run(channel, script, args, timeout=timeout, cap=cap, in_sight=True)
    except GpuwsError as error:
        if error.code != "remote-shell":
            raise
        raise _Unanswered from None
