"""paramiko's Transport with our algorithms, Unix-socket channels and a login we can follow."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, cast

import paramiko
from paramiko.common import (
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_OPEN_SUCCESS,
    cMSG_CHANNEL_OPEN,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.message import Message

from gpuws.host import algorithms
from gpuws.host.algorithms import Offers
from gpuws.host.arrivals import LOOPBACK, Arrivals, Arrived
from gpuws.host.channel import Channel, ChannelStream
from gpuws.host.flow import Budget, ChannelFlow, Raw
from gpuws.host.hostkeys import ShownKey
from gpuws.host.packets import Packets
from gpuws.host.refusal import ChannelRefused
from gpuws.host.sanitise import one_line
from gpuws.host.userauth import Conversation
from gpuws.host.wire import Wire
from gpuws.plan.model import Pairs, Target
from gpuws.plan.ports import Sink

WINDOW = 2 << 20  # bytes at first; a stream whose reader keeps up opens it further
PACKET = 256 << 10  # bytes that the host may send at once
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # else errors go to stderr


_THEIRS: Any = paramiko.Transport  # its stubs leave out what has no public name


class Unproved(paramiko.SSHException):
    """The server cannot sign with the key that it showed."""


class Transport(paramiko.Transport):
    """A client transport over a Wire."""

    if TYPE_CHECKING:
        agreed_on_strict_kex: bool
        server_extensions: dict[str, bytes | str]
        remote_cipher: str
        _channels: Any
        _preferred_keys: tuple[str, ...]

        def _next_channel(self) -> int: ...
        def _send_message(self, data: Message) -> None: ...
        def _send_user_message(self, data: Message | Raw) -> None: ...
        def _auth_trigger(self) -> None: ...

    _preferred_kex: tuple[str, ...] = algorithms.KEX
    _preferred_ciphers = algorithms.CIPHERS
    _preferred_macs = algorithms.MACS
    _kex_info: dict[str, Any] = algorithms.KEX_CLASSES
    _cipher_info: dict[str, Any] = algorithms.CIPHER_CLASSES
    # by name, so that each kind of channel answers with its own method
    _channel_handler_table: dict[int, Any] = {  # noqa: RUF012
        kind: lambda channel, m, name=method.__name__: getattr(channel, name)(m)
        for kind, method in _THEIRS._channel_handler_table.items()
    }
    packet = PACKET
    _active_check_timeout = 0.5  # seconds between two looks of an idle reader; a close wakes it

    def __init__(self, wire: Wire, key_types: tuple[str, ...] = ()) -> None:
        super().__init__(cast(socket.socket, wire), WINDOW, PACKET, packetizer_class=Packets)
        self.wire = wire
        self._key_types = key_types
        self._shown = b""
        self.offers: tuple[Offers, ...] = ()  # the server's and ours
        self.goodbye = ""  # the text of the server's disconnect message, untrusted
        self._pings = 0  # answers to pings
        self._pinged = threading.Condition()
        self._refused: dict[int, tuple[int, str]] = {}
        self.channels_seen = _Any()  # type: ignore[assignment]
        self._flows: dict[int, ChannelFlow] = {}  # paramiko's own map holds channels weakly
        self.budget = Budget()
        self.arrivals = Arrivals(self)
        self._requests: deque[Future[bool]] = deque()  # sent and not answered, in order
        self._asking = threading.Lock()  # of those who send one; never the reader's
        self.round_trip = 0.0  # seconds, the shortest seen; 0: not known yet
        self.latest_round_trip = 0.0  # seconds, the last ping's; 0: none was answered yet

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Plain keys only, unless an authority is known: paramiko itself checks none."""
        return self._key_types or tuple(self._preferred_keys)

    @property
    def shown_key(self) -> ShownKey:
        """The host's key, which signed this key exchange, and the certificate it came in."""
        return ShownKey(self.get_remote_server_key().asbytes(), self._shown)

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        """paramiko looks at the signature alone, and forgets the certificate."""
        try:
            super()._verify_key(host_key, sig)  # type: ignore[misc]
        except Exception as error:  # also of a key that is none
            raise Unproved(str(error)) from None
        if self._shown not in (b"", host_key):
            raise Unproved("the server showed another host key later")
        self._shown = host_key

    def _really_parse_kex_init(self, m: Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        """The server's offer, or (behind a first byte) our own."""
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]
        if not ignore_first_byte:
            algorithms.adapt(parsed, strict=self.agreed_on_strict_kex)
            self.offers = algorithms.compare(parsed, self)
        return parsed

    # --- login -----------------------------------------------------------------------------------

    def begin_login(self) -> Conversation:
        self.auth_handler = conversation = Conversation(self)
        return conversation

    def agreed(self) -> Pairs:
        """See ``ports.Host.agreed``."""
        conversation = self.auth_handler
        offered = conversation.offered if isinstance(conversation, Conversation) else ()
        found = {
            "cipher": self.remote_cipher,
            "host_key": self.host_key_type,
            "strict": "yes" if self.agreed_on_strict_kex else "no",
            "login": ",".join(offered),
        }
        return tuple((name, one_line(value, 200)) for name, value in found.items() if value)

    # --- channels --------------------------------------------------------------------------------

    def open_target(self, target: Target, timeout: float) -> Channel:
        """A channel to a Unix socket or a TCP port as the host sees them."""
        return self._open(*_address(target), timeout)

    def open_stream(self, target: Target, timeout: float) -> ChannelStream:
        return ChannelStream(self.open_target(target, timeout), WINDOW)

    def open_command(self, timeout: float) -> Channel:
        return self._open("session", b"", timeout)

    def open_flow(self, target: Target, sink: Sink) -> ChannelFlow:
        """Ask for a channel; the sink hears the answer. Raises EOFError."""
        if not self.is_active():
            raise EOFError("the connection is gone")
        with self.lock:
            number = self._next_channel()
            flow = ChannelFlow(self, number, target, sink)
            self._flows[number] = flow
            self._channels.put(number, flow)
        kind, where = _address(target)
        try:
            self._send_user_message(_opening(kind, number, flow.window, self.packet, where))
        except (OSError, EOFError, paramiko.SSHException):
            gone = True
        else:
            gone = not self.is_active()  # paramiko drops what is sent then, without a word
        if gone and self.forget(flow):  # else the sink has heard of it already
            raise EOFError("the connection is gone")
        return flow

    def accept_flow(self, remote: int, window: int, packet: int, sink: Sink) -> ChannelFlow:
        """Say yes to a channel that the host asked for. Raises EOFError."""
        with self.lock:
            number = self._next_channel()
            flow = ChannelFlow(self, number, Target(), sink)
            self._flows[number] = flow
            self._channels.put(number, flow)
        limits = flow.window, self.packet
        yes = struct.pack(">BIIII", MSG_CHANNEL_OPEN_SUCCESS, remote, number, *limits)
        self._send_user_message(Raw(yes))
        if not self.is_active():
            self.forget(flow)
            raise EOFError("the connection is gone")
        flow.begin(remote, window, packet)
        return flow

    def refuse_flow(self, remote: int, code: int) -> None:
        no = struct.pack(">BIIII", MSG_CHANNEL_OPEN_FAILURE, remote, code, 0, 0)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._send_user_message(Raw(no))

    def forget(self, flow: ChannelFlow) -> bool:
        """Whether it was known."""
        self._channels.delete(flow.number)
        return self._flows.pop(flow.number, None) is not None

    def later(self, packet: bytes) -> None:
        """Send from another thread: the reader must never wait for the network."""
        words = (Raw(packet),)
        threading.Thread(target=self._send_user_message, args=words, daemon=True).start()

    def timed(self, seconds: float) -> None:
        self.round_trip = min(seconds, self.round_trip or seconds)

    def _open(self, kind: str, extra: bytes, timeout: float) -> Channel:
        """paramiko's open_channel, for any kind, with its own error instead of a shared one.

        Raises ChannelRefused, or EOFError and TimeoutError.
        """
        with self.lock:
            number = self._next_channel()
            channel = Channel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = event = threading.Event()
            channel._set_transport(self)
            channel._set_window(WINDOW, self.packet)
        try:
            self._send_user_message(_opening(kind, number, WINDOW, self.packet, extra))
        except (OSError, paramiko.SSHException) as error:
            raise EOFError(str(error)) from None
        deadline = time.monotonic() + timeout
        while not event.wait(0.5) and self.is_active():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the host did not open a channel in {timeout:.0f} s")
        if not self.is_active():
            raise EOFError("the connection is gone")
        if number in self._refused:
            raise ChannelRefused(*self._refused.pop(number))
        return channel

    def _parse_channel_open_failure(self, m: Message) -> None:
        number, code, text = m.get_int(), m.get_int(), m.get_text()
        if number in self._flows:
            self._flows[number]._refuse(code, text)
            return
        with self.lock:
            self._channels.delete(number)
            event = self.channel_events.pop(number, None)
            if event is not None:
                self._refused[number] = (code, text)
                event.set()

    def _parse_channel_open(self, m: Message) -> None:
        """paramiko refuses whatever was not asked for: it has no handlers here."""
        if not self.arrivals.take(m):
            m.rewind()
            super()._parse_channel_open(m)  # type: ignore[misc]

    def listen_there(self, port: int, arrived: Arrived, timeout: float) -> bool:
        """Whether the host listens on its loopback now. Raises EOFError, TimeoutError."""
        self.arrivals.want(port, arrived)  # before the answer: somebody may come with it
        answer: Future[bool] = Future()
        self._request(_tcpip_forward("tcpip-forward", port), answer)
        deadline = time.monotonic() + timeout
        while not answer.done() and self.is_active() and time.monotonic() < deadline:
            wait((answer,), 0.5)
        if answer.done() and answer.result():
            return True
        self.arrivals.want(port, None)
        if not self.is_active():
            raise EOFError("the connection is gone")
        if not answer.done():
            raise TimeoutError(f"the host did not answer in {timeout:.0f} s")
        return False

    def listen_no_more(self, port: int) -> None:
        self.arrivals.want(port, None)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._request(_tcpip_forward("cancel-tcpip-forward", port), Future())

    def _request(self, message: Message, answer: Future[bool]) -> None:
        """The host answers requests in their order, and says nothing else of which one it means."""
        with self._asking:
            self._requests.append(answer)
            self._send_user_message(message)

    # --- liveness --------------------------------------------------------------------------------

    def ping(self, deadline: float) -> bool:
        """Whether the host answers a request within ``deadline`` seconds."""
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        with self._pinged:
            before = self._pings
        asked = time.monotonic()
        try:
            self._request(message, Future())
        except (OSError, EOFError, paramiko.SSHException):
            return False
        with self._pinged:
            answered = self._pinged.wait_for(lambda: self._pings > before, deadline)
        if answered:
            self.latest_round_trip = time.monotonic() - asked
            self.timed(self.latest_round_trip)
        return answered

    def _parse_request_success(self, m: Message) -> None:
        super()._parse_request_success(m)  # type: ignore[misc]
        self._count_ping(granted=True)

    def _parse_request_failure(self, m: Message) -> None:
        super()._parse_request_failure(m)  # type: ignore[misc]
        self._count_ping(granted=False)

    def _count_ping(self, *, granted: bool) -> None:
        """Any answer shows that the host lives; more of them than questions mean nothing."""
        if self._requests:
            self._requests.popleft().set_result(granted)
        with self._pinged:
            self._pings += 1
            self._pinged.notify_all()

    def _parse_disconnect(self, m: Message) -> None:
        m.get_int()
        self.goodbye = m.get_text()


class _Any:
    """paramiko's memory of every channel number, without the memory: it would grow for ever."""

    def __contains__(self, _: object) -> bool:
        return True

    def __setitem__(self, number: int, seen: bool) -> None:
        """Nothing is kept."""


def _address(target: Target) -> tuple[str, bytes]:
    """(kind of channel, its own part of the request)."""
    message = Message()
    if target.socket:
        message.add_string(target.socket)
        message.add_string("")
        message.add_int(0)
        return "direct-streamlocal@openssh.com", message.asbytes()
    message.add_string(target.host)
    message.add_int(target.port)
    message.add_string("127.0.0.1")
    message.add_int(0)
    return "direct-tcpip", message.asbytes()


def _tcpip_forward(kind: str, port: int) -> Message:
    message = Message()
    message.add_byte(cMSG_GLOBAL_REQUEST)
    message.add_string(kind)
    message.add_boolean(True)
    message.add_string(LOOPBACK)
    message.add_int(port)
    return message


def _opening(kind: str, number: int, window: int, packet: int, extra: bytes) -> Message:
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add_string(kind)
    message.add_int(number)
    message.add_int(window)
    message.add_int(packet)
    message.add_bytes(extra)
    return message
