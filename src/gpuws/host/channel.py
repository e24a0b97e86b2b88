"""Session channels and streams: requests without waiting, and bytes with half-close."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message

if TYPE_CHECKING:
    from gpuws.host.transport import Transport

WIDEST = 16 << 20  # bytes: 2 MiB would mean 10 MB/s at 200 ms


class Channel(paramiko.Channel):
    """A channel that knows how a remote program was killed and never waits without a deadline."""

    exit_signal = ""
    started = False
    refused = False  # the server runs no commands: it said so of ours

    if TYPE_CHECKING:  # paramiko's own, which its stubs leave out
        transport: Transport

        def _set_transport(self, transport: Transport) -> None: ...
        def _set_window(self, window_size: int, max_packet_size: int) -> None: ...

    def connected(self) -> bool:
        return self.transport.is_active()

    def start(self, command: str) -> None:
        """Run a command. No reply is awaited: what it prints, or does not, is the reply. But one
        is asked for: a refusal would be silence else, until the deadline."""
        self.started = True
        self._request("exec", _text(command), reply=True)

    def want_terminal(self, term: str, columns: int, rows: int) -> None:
        size = b"".join(n.to_bytes(4, "big") for n in (columns, rows, 0, 0))
        self._request("pty-req", _text(term) + size + _text(""))

    def resize(self, columns: int, rows: int) -> None:
        self._request(
            "window-change", b"".join(n.to_bytes(4, "big") for n in (columns, rows, 0, 0))
        )

    def sendall(self, s: bytes | bytearray) -> None:
        """In packets of the host's size. paramiko's own copies all that is left for each of them:
        a megabyte at once went at half the speed. Raises TimeoutError, OSError."""
        view = memoryview(s)
        step = max(1, self.out_max_packet_size - 64)
        while view:
            sent = self.send(bytes(view[:step]))
            if not sent:
                raise BrokenPipeError("nothing more can be sent on this channel")
            view = view[sent:]

    def outcome(self, timeout: float) -> int | None:
        """The exit status, 128 + n for a signal, None when the host did not say."""
        self.status_event.wait(timeout)
        if self.exit_signal:
            number = getattr(signal, f"SIG{self.exit_signal}", 0)
            return 128 + int(number)
        return self.exit_status if self.exit_status >= 0 else None

    def widen(self, extra: int) -> None:
        """Let the host have ``extra`` more bytes under way."""
        message = Message()
        message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
        message.add_int(self.remote_chanid)
        message.add_int(extra)
        self._tell(message)
        self.in_window_threshold += extra // 10

    def _request(self, kind: str, body: bytes, *, reply: bool = False) -> None:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self.remote_chanid)
        message.add_string(kind)
        message.add_boolean(reply)
        message.add_bytes(body)
        self._tell(message)

    def _tell(self, message: Message) -> None:
        """A connection that is gone is seen by whoever waits for what the host says."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.transport._send_user_message(message)

    def close(self) -> None:
        """Over a connection that is gone, too."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            super().close()

    def _request_failed(self, m: Message) -> None:
        self.refused = True
        super()._request_failed(m)  # type: ignore[misc]  # it closes the channel

    def _handle_request(self, m: Message) -> None:
        start = m.packet.tell()
        if m.get_text() == "exit-signal":
            m.get_boolean()
            self.exit_signal = m.get_text()
            self.status_event.set()
            return
        m.packet.seek(start)
        super()._handle_request(m)  # type: ignore[misc]


class ChannelStream:
    """The Stream port. The window opens as far as the reader keeps up with the host."""

    def __init__(self, channel: Channel, window: int) -> None:
        self._channel = channel
        self._window = window
        self._drained = 0

    def recv(self, size: int, /) -> bytes:
        data = self._channel.recv(size)
        if not data and not self._channel.eof_received:  # paramiko calls both an end
            raise ConnectionResetError("the connection to the host broke")
        self._drained += len(data)
        if self._drained >= self._window < WIDEST and not self._channel.recv_ready():
            self._channel.widen(self._window)
            self._window *= 2
            self._drained = 0
        return data

    def sendall(self, data: bytes, /) -> None:
        self._channel.sendall(data)

    def shutdown_write(self) -> None:
        self._channel.shutdown_write()

    def settimeout(self, seconds: float | None, /) -> None:
        self._channel.settimeout(seconds)

    def close(self) -> None:
        self._channel.close()


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data
