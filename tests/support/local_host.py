"""A Host over /bin/sh on this machine: the same scripts and framing, without SSH."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from gpuws.host import session
from gpuws.host.openssh.sockets import Sockets, SocketStream
from gpuws.host.refusal import CONNECT_FAILED, refused
from gpuws.host.script import fields, frame, script, unframe
from gpuws.plan.model import Pairs, Profile, Target
from gpuws.plan.ports import Arrival, Flow, Process, Reply, Script, Sink, Stream


class LocalProcess:
    """The Process port over a child of this process."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._pumped = False

    def send(self, data: bytes) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(data)

    def send_eof(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        raise NotImplementedError("terminals need a real host")

    def pump(self, out: Callable[[bytes], None], err: Callable[[bytes], None]) -> int:
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        self._pumped = True
        with self._child.stdout, self._child.stderr:
            while block := os.read(self._child.stdout.fileno(), 64 << 10):
                out(block)
            err(self._child.stderr.read())
        return self._child.wait(30)

    def close(self) -> None:
        """As when a connection ends: nobody talks to it any more, and it may go on for a while."""
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None and (stream is self._child.stdin or not self._pumped):
                with contextlib.suppress(OSError):
                    stream.close()
        threading.Thread(target=self._child.wait, daemon=True).start()


def _connected(target: Target, timeout: float) -> socket.socket:
    if not target.socket:
        return socket.create_connection((target.host, target.port), timeout)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    try:
        sock.connect(target.socket)
    except OSError:
        sock.close()
        raise
    return sock


def _reply(done: subprocess.CompletedProcess[bytes], sentinel: str, cap: int) -> Reply:
    reply = unframe(done.stdout[: cap + 200], sentinel, done.stderr)
    assert reply is not None, (done.stdout, done.stderr)
    return reply


class LocalHost:
    """Runs scripts with ``shell -s`` under ``home``; ``env`` replaces the environment."""

    bridged = False

    def __init__(
        self,
        home: Path,
        *,
        shell: tuple[str, ...] = ("/bin/sh",),
        env: dict[str, str] | None = None,
    ) -> None:
        self.profile = Profile("local", "127.0.0.1", 22, "me")
        self._home = home
        self._shell = shell
        self._env = {"PATH": os.environ["PATH"], "HOME": str(home), "USER": "me", **(env or {})}
        self._calls = 0
        self._sockets: Sockets | None = None  # made for the first flow
        self._closed = False

    @property
    def calls(self) -> int:
        return self._calls

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        sentinel = secrets.token_hex(16)
        done = self._shell_run("-s", given=frame(script, args, sentinel), timeout=timeout)
        return _reply(done, sentinel, cap)

    def _shell_run(
        self, *options: str, given: bytes, timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        self._calls += 1
        return subprocess.run(
            [*self._shell, *options],
            input=given,
            capture_output=True,
            timeout=timeout,
            cwd=self._home,
            env=self._env,
        )

    def prepare(self) -> None:
        return None

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        sentinel = secrets.token_hex(16)
        framed = frame(script, args, sentinel)
        given = b"".join((framed, *data))
        read = session.evaluating(len(framed))
        return _reply(self._shell_run("-c", read, given=given, timeout=timeout), sentinel, 1 << 20)

    def upload(self, data: bytes, path: str, *, mode: int = 0o600, timeout: float = 600.0) -> None:
        program = script("gpuws.host", "upload.sh")
        size = str(len(data))
        fields(self.feed(program, path, size, format(mode, "o"), data=(data,), timeout=timeout))

    def open_stream(self, target: Target, timeout: float = 10.0) -> Stream:
        self._calls += 1
        try:
            sock = _connected(target, timeout)
        except OSError as error:
            raise refused(target, CONNECT_FAILED, str(error)) from None
        sock.settimeout(None)
        return SocketStream(sock)

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        if self._closed:
            raise session.lost(f"opening {target}")
        if self._sockets is None:
            self._sockets = Sockets()
        return self._sockets.open(lambda: _connected(target, 10), target, sink)

    def lead_here(self, port: int, arrived: Callable[[Arrival], None]) -> None:
        raise NotImplementedError("a port that leads back needs a real host")

    def lead_nowhere(self, port: int) -> None:
        raise NotImplementedError("a port that leads back needs a real host")

    def open_process(
        self, script: Script, *args: str, pty: tuple[int, int] | None = None, term: str = ""
    ) -> Process:
        if pty is not None:
            raise NotImplementedError("terminals need a real host")
        self._calls += 1
        command = [*self._shell, "-c", script.text, script.name, *args]
        return LocalProcess(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._home,
                env=self._env,
            )
        )

    def alive(self) -> bool:
        return not self._closed

    def answers(self, seconds: float) -> bool:
        return True

    def latency(self) -> float:
        return 0.0

    def distance(self) -> float:
        return 0.0

    def peer(self) -> tuple[object, ...] | None:
        return None

    def agreed(self) -> Pairs:
        return ()

    def last_heard(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """The flows break, as with the connection that carried them."""
        self._closed = True
        if self._sockets is not None:
            self._sockets.close()
