"""The ports: what journeys, engines and environments may ask of the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gpuws.errors import GpuwsError
from gpuws.plan.model import Pairs, Profile, Target

FAR = 0.02
"""Seconds of round trip from which on it pays to have ready what may not be used."""


@dataclass(frozen=True)
class Script:
    """A POSIX sh program made of package files (lib.sh first), sent on stdin, never templated."""

    name: str
    text: str


@dataclass(frozen=True)
class Reply:
    """What a script printed between its sentinels, and its exit status. Untrusted text."""

    out: str
    status: int
    err: str = ""
    before: str = ""  # what the login shell's own files printed first


class Stream(Protocol):
    """A byte stream to a target on the host, with half-close."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def shutdown_write(self) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class Sink(Protocol):
    """Where a flow's bytes arrive. The connection's own reader calls it: it must never block."""

    def opened(self) -> None: ...
    def refused(self, error: GpuwsError) -> None:
        """Instead of ``opened``: forwarding-refused or tunnel-failed."""
        ...

    def arrived(self, data: bytes, /) -> None: ...
    def ended(self) -> None:
        """The host has said everything; it may still listen."""
        ...

    def roomy(self) -> None:
        """The host takes bytes again."""
        ...

    def closed(self) -> None:
        """After ``ended``: the host does not listen any more either."""
        ...

    def broken(self) -> None:
        """It ended in the middle: the host closed without an end."""
        ...

    def lost(self) -> None:
        """The connection that carried it is gone."""
        ...


class Flow(Protocol):
    """A byte stream to a target on the host that has no thread and never waits for its reader.

    ``send``, ``end``, ``widen`` and ``close`` may wait for the network; they raise OSError or
    EOFError when it is gone.
    """

    def room(self) -> int:
        """Bytes that ``send`` takes now; 0 until ``roomy``."""
        ...

    def send(self, data: bytes, /) -> None: ...
    def end(self) -> None:
        """Half-close: nothing more will be sent."""
        ...

    def drained(self, count: int, /) -> bool:
        """The sink's reader has taken ``count`` bytes; whether ``widen`` is due. Never blocks."""
        ...

    def widen(self) -> None:
        """Let the host send as much again as was drained."""
        ...

    def aim(self, sink: Sink, /) -> bool:
        """Have another sink from now on, which hears ``opened`` if that has been. False, and no
        change, when the host has ended it already."""
        ...

    def close(self) -> None: ...


class Arrival(Protocol):
    """A connection that came to a port of the host which leads here; one of the two is called."""

    def accept(self, sink: Sink, /) -> Flow:
        """Raises EOFError when the connection is gone."""
        ...

    def refuse(self) -> None: ...


class Process(Protocol):
    """A command on the host whose streams are ours (exec, shell, logs -f)."""

    def send(self, data: bytes) -> None: ...
    def send_eof(self) -> None: ...
    def resize(self, columns: int, rows: int) -> None: ...
    def pump(self, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> int:
        """Deliver output until the end; the exit status (128+n for a signal)."""
        ...

    def close(self) -> None: ...


class Host(Protocol):
    """One authenticated connection. Each call is at least one round trip and is counted."""

    profile: Profile
    bridged: bool
    """Streams and flows go through a program on the host: its server forwards nothing."""

    @property
    def calls(self) -> int: ...

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        """Run a script to its end. ``cap``: bytes of output that are kept. ``in_sight``: neither
        script nor arguments are a secret on the host, and running it twice does no harm; then it
        may travel in the command line, which spares a round trip."""
        ...

    def prepare(self) -> None:
        """Another call follows soon."""
        ...

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        """Run a script that reads ``data`` on its stdin, taken from the iterable only as fast as
        the host takes it. ``timeout``: seconds in which the host may take nothing and, once it
        has everything, may say nothing. A script that ends early ends the sending too. Raises
        remote-timeout, remote-shell, connection-lost, and whatever the iterable raises."""
        ...

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        """Write ``path`` atomically (a temporary name beside it, then rename)."""
        ...

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream: ...

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        """Ask for a flow; returns at once, ``sink`` hears how it went. Not counted: the traffic
        of a forward is nobody's call. Raises connection-lost."""
        ...

    def lead_here(self, port: int, arrived: Callable[[Arrival], None]) -> None:
        """Have the host listen on its loopback. ``arrived`` is called by the connection's own
        reader and must not block. Raises forwarding-refused, remote-timeout, connection-lost."""
        ...

    def lead_nowhere(self, port: int) -> None:
        """Nobody waits for that port any more; whoever comes is refused."""
        ...

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        """Start a script whose stdin and stdout stay open. ``pty`` is (columns, rows)."""
        ...

    def alive(self) -> bool: ...
    def answers(self, seconds: float) -> bool:
        """Whether the host answers a ping within ``seconds``: a network may be gone unseen."""
        ...

    def latency(self) -> float:
        """The latest round trip that was measured, in seconds; 0: none was yet."""
        ...

    def distance(self) -> float:
        """The shortest round trip seen, in seconds; 0: none was measured yet."""
        ...

    def peer(self) -> tuple[object, ...] | None:
        """The socket address at the other end; None through a proxy command or a jump host."""
        ...

    def agreed(self) -> Pairs:
        """What the two ends settled on: ``cipher``, ``host_key`` and ``strict`` (yes or no, of the
        key exchange) by name, and ``login``, the ways to log in that the host offered first, with
        commas between. What is not known is left out."""
        ...

    def last_heard(self) -> float:
        """time.monotonic() of the last byte or ping answer from the host."""
        ...

    def close(self) -> None: ...


class Progress(Protocol):
    """Where a journey says what it does."""

    def stage(self, name: str, detail: str = "") -> None: ...
    def line(self, text: str) -> None:
        """The latest line of the stage's own progress; it may replace the one before."""
        ...

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def advise(self, about: str, *lines: str) -> None:
        """What a person may want to do some day: shown once for each ``about``, never to a
        script."""
        ...


class Ask(Protocol):
    """Questions to the person. Each raises GpuwsError("prompt-needed") when nobody can answer."""

    def secret(self, prompt: str) -> str: ...
    def text(self, prompt: str) -> str: ...
    def confirm(self, question: str, *, flag: str) -> bool:
        """A yes/no question, default no; ``flag`` is the option that answers it in scripts."""
        ...

    def touch(self, what: str) -> None:
        """The person is to touch or confirm a key now. Does not wait for it."""
        ...
