# The part of sshtunnel 0.5.1 that gpuws.tunnel.listener builds on. The library has no types;
# tests/contract/test_tunnel_sshtunnel.py checks each name below.
import logging
import socketserver

class BaseSSHTunnelForwarderError(Exception):
    value: str

class HandlerSSHTunnelForwarderError(BaseSSHTunnelForwarderError): ...

class _ForwardHandler(socketserver.BaseRequestHandler):
    remote_address: tuple[str, int] | None
    logger: logging.Logger | None

class _ForwardServer(socketserver.TCPServer):
    logger: logging.Logger
    @property
    def local_port(self) -> int: ...

class _ThreadingForwardServer(socketserver.ThreadingMixIn, _ForwardServer): ...

class SSHTunnelForwarder:
    logger: logging.Logger
    is_alive: bool
    tunnel_is_up: dict[tuple[str, int], bool]
    _server_list: list[_ForwardServer]
    def __init__(
        self,
        ssh_address_or_host: tuple[str, int],
        *,
        ssh_config_file: str | None = ...,
        ssh_username: str | None = ...,
        local_bind_address: tuple[str, int],
        remote_bind_address: tuple[str, int],
        logger: logging.Logger | None = ...,
        allow_agent: bool = ...,
        host_pkey_directories: list[str] | None = ...,
    ) -> None: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def local_bind_port(self) -> int: ...
    def start(self) -> None: ...
    def stop(self, force: bool = ...) -> None: ...
    def _create_tunnels(self) -> None: ...
    def _connect_to_gateway(self) -> None: ...
    def _stop_transport(self, force: bool = ...) -> None: ...
    @staticmethod
    def _consolidate_auth(**options: object) -> tuple[str | None, list[object]]: ...
    def _make_ssh_forward_handler_class(
        self, remote_address: tuple[str, int], /
    ) -> type[_ForwardHandler]: ...
    def _make_ssh_forward_server_class(
        self, remote_address: tuple[str, int], /
    ) -> type[_ForwardServer]: ...
