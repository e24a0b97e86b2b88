"""A master that the user's own ssh left open: each thing is asked of it as ssh itself asks.

Not in proxy mode, as with ours: a master ends with "no remote_id" when a client leaves who was
refused a channel before (OpenSSH 9.2), and this one carries the user's other work.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host.arrivals import LOOPBACK, Arrived
from gpuws.host.openssh.desk import short_place
from gpuws.host.openssh.mux import Control, Forward, NoMaster
from gpuws.host.openssh.session_channel import SessionChannel
from gpuws.host.openssh.sockets import SocketFlow, Sockets, SocketStream
from gpuws.host.refusal import CONNECT_FAILED, ChannelRefused
from gpuws.plan.model import Pairs, Target
from gpuws.plan.ports import Flow, Sink


class Lifeline:
    """What a Wire tells of the bytes under a connection, where those are the master's."""

    name = "ControlPath"
    peer = None

    def __init__(self) -> None:
        self.closed = False
        self.last_heard = time.monotonic()
        self.on_close: Callable[[], None] = lambda: None
        self._closing = threading.Lock()

    def hear(self) -> None:
        self.last_heard = time.monotonic()

    def own_address(self) -> None:
        return None

    def acknowledged(self) -> None:
        return None

    def explained(self, error: GpuwsError) -> GpuwsError:
        return error

    def close(self) -> None:
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self.on_close()


class TheirMaster:
    """The Carrier port."""

    remote_version = ""  # it tells nobody

    def __init__(self, path: str) -> None:
        self.path = path
        self.wire = Lifeline()
        self.wire.on_close = self._end
        self.round_trip = 0.0
        self.latest_round_trip = 0.0
        self._control = Control(path)
        self._watched = Control(path)
        self.process = self._control.process()
        self._controlling = threading.Lock()
        self._pulse = Control(path)
        self._pulsing = threading.Lock()
        self._sockets = Sockets(self.lives)
        self._folder = Path(tempfile.mkdtemp(prefix="gpuws-", dir=short_place()))
        self._led: dict[int, _Led] = {}
        threading.Thread(target=self._watch, name="gpuws-master", daemon=True).start()

    def agreed(self) -> Pairs:
        """A master tells nobody."""
        return ()

    def is_active(self) -> bool:
        return not self.wire.closed

    def close(self) -> None:
        self.wire.close()

    def open_command(self, timeout: float) -> SessionChannel:  # noqa: ARG002 (it opens at its start)
        if not self.is_active():
            raise EOFError("the connection is gone")
        return SessionChannel(self)

    def open_stream(self, target: Target, timeout: float) -> SocketStream:
        """Who is refused sees an end, one round trip later: that is waited for."""
        try:
            sock = self._connect(target)
        except ConnectionRefusedError as error:
            raise ChannelRefused(CONNECT_FAILED, str(error)) from None
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError(str(error)) from None
        if not self.ping(timeout):
            sock.close()
            raise TimeoutError if self.is_active() else EOFError
        with contextlib.suppress(BlockingIOError):
            if sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                sock.close()
                raise ChannelRefused(CONNECT_FAILED, "it hung up without a word")
        return SocketStream(sock)

    def open_flow(self, target: Target, sink: Sink) -> Flow:
        if not self.is_active():
            raise EOFError("the connection is gone")
        return self._sockets.open(lambda: self._connect(target), target, sink)

    def ping(self, deadline: float) -> bool:
        """The host is asked for a socket in a folder that it does not have: its no is an answer."""
        nowhere = Target(socket=f"/nonexistent/{secrets.token_hex(8)}")
        asked = time.monotonic()
        try:
            with self._controlling:
                self._control.open(Forward(True, nowhere, Target(port=9)), deadline)
        except (NoMaster, OSError, EOFError):
            return False
        self.latest_round_trip = time.monotonic() - asked
        self.round_trip = min(self.latest_round_trip, self.round_trip or self.latest_round_trip)
        self.wire.hear()
        return True

    def listen_there(self, port: int, arrived: Arrived, timeout: float) -> bool:
        led = _Led(self._folder / f"r{port}", port, arrived, self._sockets)
        try:
            with self._controlling:
                listens = self._control.open(led.forward, timeout)
        except NoMaster as error:
            led.close()
            raise EOFError(str(error)) from None
        if not listens:
            led.close()
        else:
            self._led[port] = led
        return listens

    def listen_no_more(self, port: int) -> None:
        led = self._led.pop(port, None)
        if led is None:
            return
        with contextlib.suppress(NoMaster, OSError), self._controlling:
            self._control.cancel(led.forward)
        led.close()

    def _connect(self, target: Target) -> socket.socket:
        """Through a socket that the master listens on for this one connection. It takes what is
        ready in one round, so that after the next answer ours is accepted. Raises EOFError."""
        path = str(self._folder / secrets.token_hex(4))
        forward = Forward(False, Target(socket=path), target)
        sock = socket.socket(socket.AF_UNIX)
        try:
            with self._controlling:
                if not self._control.open(forward):
                    raise ConnectionRefusedError("the master opens no forward")
                sock.connect(path)
                self._control.process()
                self._control.cancel(forward)
        except NoMaster as error:
            sock.close()
            raise EOFError(str(error)) from None
        except OSError:
            sock.close()
            raise
        finally:
            Path(path).unlink(missing_ok=True)
        return sock

    def lives(self) -> bool:
        """Whether the master does: asked of it, because its end may not have been seen yet."""
        try:
            with self._pulsing:
                return self._pulse.process() == self.process
        except (NoMaster, OSError):
            self.wire.close()
            return False

    def _watch(self) -> None:
        self._watched.wait_for_its_end()
        self.wire.close()

    def _end(self) -> None:
        for port in tuple(self._led):
            self.listen_no_more(port)
        self._sockets.close()
        for line in (self._watched, self._control, self._pulse):
            line.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Led:
    """A port of the host that leads to a socket of ours."""

    def __init__(self, path: Path, port: int, arrived: Arrived, sockets: Sockets) -> None:
        self.forward = Forward(True, Target(host=LOOPBACK, port=port), Target(socket=str(path)))
        self._path = path
        self._arrived = arrived
        self._sockets = sockets
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="gpuws-led", daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._arrived(_Come(sock, self._sockets))


class _Come:
    """The Arrival port."""

    def __init__(self, sock: socket.socket, sockets: Sockets) -> None:
        self._sock = sock
        self._sockets = sockets

    def accept(self, sink: Sink, /) -> SocketFlow:
        return self._sockets.open(lambda: self._sock, Target(), sink)

    def refuse(self) -> None:
        self._sock.close()
