"""What gpuws.tunnel.listener relies on in sshtunnel, name by name, private ones included.

A failure here after an upgrade of sshtunnel says what to look at; the names are also in
typings/sshtunnel.
"""

from __future__ import annotations

import inspect
import logging
import queue
import socket
import socketserver
import threading
from pathlib import Path

import pytest
import sshtunnel
from sshtunnel import SSHTunnelForwarder, _ForwardHandler, _ForwardServer, _ThreadingForwardServer

from gpuws.tunnel.listener import Listener, listen


def source(of: object) -> str:
    return inspect.getsource(of)  # type: ignore[arg-type]


def test_the_version_is_the_one_these_names_were_read_in() -> None:
    assert sshtunnel.__version__ == "0.5.1"  # type: ignore[attr-defined]


def test_construction_reads_no_configuration_key_or_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*words: object, **options: object) -> None:
        raise AssertionError("sshtunnel looked for credentials")

    monkeypatch.setattr(SSHTunnelForwarder, "get_keys", staticmethod(touched))
    monkeypatch.setattr(SSHTunnelForwarder, "get_agent_keys", staticmethod(touched))
    monkeypatch.setattr("paramiko.SSHConfig.parse", touched)
    monkeypatch.setattr("getpass.getuser", touched)
    Listener(0, lambda sock: None)


def test_credentials_are_asked_of_consolidate_auth_by_keyword_and_nowhere_else() -> None:
    assert "self._consolidate_auth(\n            ssh_password=" in source(SSHTunnelForwarder)
    assert Listener._consolidate_auth(ssh_password="x", allow_agent=True) == (None, [])


def test_start_connects_by_connect_to_gateway_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*words: object, **options: object) -> None:
        raise AssertionError("sshtunnel made a transport")

    monkeypatch.setattr("paramiko.Transport.__init__", forbidden)
    monkeypatch.setattr(SSHTunnelForwarder, "_get_transport", forbidden)
    listener = listen(0, lambda sock: None)
    assert listener.is_active and listener.is_alive
    assert "self._connect_to_gateway()" in source(SSHTunnelForwarder._create_tunnels)
    listener.stop()


def test_stop_ends_the_servers_through_stop_transport() -> None:
    assert "self._stop_transport(force=force)" in source(SSHTunnelForwarder.stop)
    listener = listen(0, lambda sock: None)
    port = listener.local_bind_port
    listener.stop()
    assert not listener.is_active and not listener.is_alive
    assert listener._server_list == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_transport_is_looked_at_only_where_it_is_overridden() -> None:
    """`_transport` is never set on ours: every method that reads it must be replaced."""
    reading = {
        name
        for name, member in inspect.getmembers(SSHTunnelForwarder, inspect.isfunction)
        if "self._transport" in source(member)
    }
    replaced = {"_connect_to_gateway", "_stop_transport", "_make_ssh_forward_handler_class"}
    assert reading == replaced
    assert replaced <= set(vars(Listener))


def test_both_factories_are_called_with_the_remote_address() -> None:
    made = source(SSHTunnelForwarder._make_ssh_forward_server)  # type: ignore[attr-defined]
    assert "_Handler = self._make_ssh_forward_handler_class(remote_address)" in made
    assert "_Server = forward_maker_class(remote_address)" in made
    assert "self._make_ssh_forward_server_class" in made


def test_the_server_is_ours_and_takes_a_burst() -> None:
    listener = listen(0, lambda sock: None)
    (server,) = listener._server_list
    assert isinstance(server, _ThreadingForwardServer)
    assert issubclass(_ThreadingForwardServer, _ForwardServer)
    assert isinstance(server, socketserver.TCPServer)
    handler = server.RequestHandlerClass
    assert isinstance(handler, type)
    assert issubclass(handler, _ForwardHandler)
    assert server.request_queue_size == 1024
    assert server.local_port == listener.local_bind_port
    listener.stop()


def test_connections_are_handed_over_one_by_one_in_the_thread_that_accepts() -> None:
    """`process_request` is called for each, and a thread for each is made there or nowhere."""
    assert "self.process_request(request" in source(socketserver.BaseServer)
    assert "Thread(" in source(socketserver.ThreadingMixIn.process_request)
    assert "Thread(" not in source(socketserver.BaseServer)
    threads: list[threading.Thread] = []

    def take(sock: socket.socket) -> None:
        threads.append(threading.current_thread())
        sock.close()

    listener = listen(0, take)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", listener.local_bind_port)) as client:
            assert client.recv(1) == b""
    (accepting,) = set(threads)
    assert len(threads) == 20
    assert accepting.name == f"Srv-{listener.local_bind_port}"
    assert accepting.daemon  # else exit waits for it
    listener.stop()


def test_a_connection_that_was_handed_over_is_closed_by_whoever_took_it_alone() -> None:
    taken: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()
    listener = listen(0, taken.put)
    with socket.create_connection(("127.0.0.1", listener.local_bind_port), timeout=5) as client:
        with taken.get(timeout=5) as ours:
            listener.stop()
            ours.sendall(b"still open")
            assert client.recv(10) == b"still open"
        assert client.recv(1) == b""


def test_the_local_side_does_not_wait_to_fill_packets() -> None:
    options: list[int] = []

    def look(sock: socket.socket) -> None:
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        sock.close()

    listener = listen(0, look)
    with socket.create_connection(("127.0.0.1", listener.local_bind_port)) as client:
        assert client.recv(1) == b""
    listener.stop()
    assert options == [1]


def test_the_loop_that_serves_wakes_often_enough_to_stop_in_time() -> None:
    wrapper = SSHTunnelForwarder._serve_forever_wrapper  # type: ignore[attr-defined]
    assert inspect.signature(wrapper).parameters["poll_interval"].default == 0.1


def test_sshtunnel_logs_to_the_logger_it_was_given_and_prints_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sshtunnel, "create_logger", lambda *words: pytest.fail("sshtunnel made a logger of its own")
    )
    no_port = pytest.raises(OSError, match="cannot listen on")
    with socket.create_server(("127.0.0.1", 0)) as taken, no_port:
        listen(taken.getsockname()[1], lambda sock: None)
    assert logging.getLogger("gpuws.tunnel").hasHandlers()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("closed", [True, False])
def test_a_connection_that_fails_in_its_handler_ends_alone_and_prints_nothing(
    capfd: pytest.CaptureFixture[str], closed: bool
) -> None:
    met: list[socket.socket] = []

    def fail(sock: socket.socket) -> None:
        met.append(sock)
        if closed:
            sock.close()  # the library's own report would ask this socket for its name, and fail
        raise RuntimeError("a handler's bug")

    listener = listen(0, fail)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", listener.local_bind_port), 5) as client:
            assert client.recv(1) == b""
    listener.stop()
    assert len(met) == 3
    assert capfd.readouterr() == ("", "")


def test_a_listener_that_was_dropped_closes_its_port() -> None:
    listener = listen(0, lambda sock: None)
    port = listener.local_bind_port
    listener.__del__()  # type: ignore[attr-defined]  # sshtunnel's own, by is_active
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_stub_names_only_what_exists() -> None:
    stub = Path(__file__).parents[2] / "typings" / "sshtunnel" / "__init__.pyi"
    owner: object = sshtunnel
    for line in stub.read_text().splitlines():
        words = line.replace("(", " ").replace(":", " ").split()
        if line.startswith("class "):
            owner = getattr(sshtunnel, words[1])
        elif line.startswith("    def "):
            assert hasattr(owner, words[1]), line
