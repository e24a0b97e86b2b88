"""The local listener: sshtunnel's forwarder without its connection. Only importer of sshtunnel.

sshtunnel as documented listens on every address, logs in by itself without checking the host's
key, has no half-close and stops at some 250 connections. What is kept is its listener; it is
given connections to copy and never sees a transport, a key or a password.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from sshtunnel import (
    BaseSSHTunnelForwarderError,
    SSHTunnelForwarder,
    _ForwardHandler,
    _ForwardServer,
    _ThreadingForwardServer,
)

LOOPBACK = "127.0.0.1"

_LOG = logging.getLogger("gpuws.tunnel")
_LOG.addHandler(logging.NullHandler())  # given to sshtunnel, which else prints to stderr
_NOWHERE = ("nowhere.invalid", 0)  # sshtunnel insists on addresses; none is ever used

Serve = Callable[[socket.socket], None]
"""Takes over one accepted connection and returns at once: the next one waits."""


class _Server(_ThreadingForwardServer):
    """sshtunnel's server, without three of its traps."""

    # sshtunnel inherits 5: a browser's burst then waits for SYN retries, 1,000 connections 29 s
    request_queue_size = 1024
    # on Windows this option would let another program share the port
    allow_reuse_address = os.name != "nt"

    _turn = threading.Lock()  # held for two assignments, so one for all servers will do
    _serving = _stopped = False

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        with self._turn:
            if self._stopped:
                return
            self._serving = True
        super().serve_forever(poll_interval)

    def shutdown(self) -> None:
        """Unlike the library's, does not wait for ever when serving never began."""
        with self._turn:
            self._stopped = True
        if self._serving:
            super().shutdown()

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.05)  # out of descriptors: the listener stays ready, so do not spin
            raise

    def process_request(self, request: object, client_address: object) -> None:
        """Hand it over here, not in a thread of its own; whoever took it closes it."""
        self.finish_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        _LOG.debug("a forwarded connection failed", exc_info=True)


class Listener(SSHTunnelForwarder):
    """One listener on 127.0.0.1, open from ``start`` to ``stop``, whatever the connection does."""

    _listening = False

    def __init__(self, port: int, serve: Serve) -> None:
        self._serve = serve
        super().__init__(
            ("nowhere.invalid", 0),
            ssh_config_file=None,
            ssh_username="-",
            local_bind_address=(LOOPBACK, port),
            remote_bind_address=_NOWHERE,
            logger=_LOG,
            allow_agent=False,
            host_pkey_directories=[],
        )

    @property
    def is_active(self) -> bool:
        """sshtunnel asks whether its transport lives; here: whether the listener is open."""
        return self._listening

    @staticmethod
    def _consolidate_auth(**_options: object) -> tuple[None, list[object]]:
        return None, []  # the original reads ~/.ssh/id_* and the agent

    def _connect_to_gateway(self) -> None:
        self._listening = True

    def _stop_transport(self, force: bool = False) -> None:  # noqa: ARG002
        for server in self._server_list:
            server.shutdown()
            server.server_close()
        self._listening = self.is_alive = False

    def _make_ssh_forward_server_class(self, _remote: tuple[str, int], /) -> type[_ForwardServer]:
        return _Server

    def _make_ssh_forward_handler_class(self, remote: tuple[str, int], /) -> type[_ForwardHandler]:
        serve = self._serve

        class Handler(_ForwardHandler):
            remote_address = remote
            logger = _LOG

            def handle(self) -> None:
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                serve(self.request)

        return Handler


def listen(port: int, serve: Serve) -> Listener:
    """A started listener on 127.0.0.1:port (0: any free one).

    Raises OSError where the port cannot be had; the reason is not known by then.
    """
    listener = Listener(port, serve)
    try:
        listener.start()
    except BaseSSHTunnelForwarderError as error:
        with contextlib.suppress(BaseSSHTunnelForwarderError):
            listener.stop()
        raise OSError(f"cannot listen on {LOOPBACK}:{port}") from error
    return listener
