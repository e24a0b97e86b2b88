"""A Host whose server forwards nothing: its streams and flows go through a program over there."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib import resources

from gpuws.host.bridge.link import Link
from gpuws.host.bridge.stream import FlowStream
from gpuws.host.script import script
from gpuws.host.session import lost
from gpuws.host.through import Through
from gpuws.host.ways import ports_allowed, ways
from gpuws.plan.model import Target
from gpuws.plan.ports import Flow, Host, Process, Progress, Reply, Script, Sink, Stream

_NOTE = (
    "the server forbids forwarding: its connections go through a program on the host (bridge: "
    "stdio); a site may forbid that"
)


def bridged_where_needed(host: Host, bridge: str | None, root: str, progress: Progress) -> Host:
    """``bridge``: what the user allows; asked of the server only then, so that nobody else waits.
    Where one kind of forwarding is open, no bridge is needed."""
    if bridge is None:
        return host
    allowed = ways(host, ports_allowed(host))
    if allowed.ports or allowed.sockets:
        return host
    progress.note(_NOTE)
    return Bridged(host, root)


class Bridged(Through):
    """One program, in one session of the server, for all of them: it begins with the first one.

    Where the server allows a single session, a bridge that nobody uses gives it back before the
    next script; while one is used, a script waits and then says that sessions are limited.
    """

    def __init__(self, host: Host, root: str) -> None:
        super().__init__(host)
        self.bridged = True
        self._root = root
        self._turn = threading.Lock()
        self._link: Link | None = None

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream:
        stream = FlowStream(target, lambda sink: self.open_flow(target, sink))
        stream.wait_open(timeout)
        return stream

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        """The first one waits until the program is started. Raises remote-shell where the server
        opens no session for it, connection-lost."""
        with self._turn:
            if self._link is None or self._link.over:
                self._link = Link(self._begun(), self._host.alive)
            try:
                return self._link.open(target, sink)
            except EOFError:
                raise lost(f"opening {target}") from None

    def _begun(self) -> Process:
        own = ("record.sh", "look.sh", "root.sh")
        program = script("gpuws.engines", *own, "gpuws.host.bridge:bridge.sh")
        far_end = resources.files("gpuws.host.bridge").joinpath("far_end.py")
        return self._host.open_process(program, self._root, far_end.read_text(encoding="utf-8"))

    def _rest(self) -> None:
        with self._turn:
            if self._link is not None and self._link.idle():
                self._link.close()
                self._link = None

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        self._rest()
        return super().run(script, *args, timeout=timeout, cap=cap, in_sight=in_sight)

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        self._rest()
        return super().feed(script, *args, data=data, timeout=timeout)

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        self._rest()
        super().upload(data, path, mode=mode, timeout=timeout)

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        self._rest()
        return self._host.open_process(script, *args, pty=pty, term=term)

    def distance(self) -> float:
        """As if it were not known: a flow in reserve would keep the bridge, and its session."""
        return 0.0
