"""Which local port a forward takes, and that nothing but 127.0.0.1 ever listens."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Flow, Sink
from gpuws.tunnel import local_ports
from gpuws.tunnel.forward import open_forward
from gpuws.tunnel.listener import listen

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def never(sink: Sink) -> Flow:
    raise GpuwsError("tunnel-failed", "no connection is expected")


@contextlib.contextmanager
def taken(address: str = "127.0.0.1", family: int = socket.AF_INET) -> Iterator[int]:
    """A port that another listener holds; the next one is free at that moment."""
    with socket.socket(family) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, 0))
        sock.listen()
        yield sock.getsockname()[1]


def test_the_wanted_port_is_used_when_it_is_free() -> None:
    with taken() as port:
        pass
    forward = open_forward(never, wanted=port)
    assert forward.local_port == port
    forward.close()


def test_a_port_just_closed_can_be_had_again_at_once() -> None:
    forward = open_forward(never)
    port = forward.local_port
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(1) == b""  # closed by our side first: the port is in TIME_WAIT now
    forward.close()
    again = open_forward(never, port)
    assert again.local_port == port
    again.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_wanted_port_that_is_taken_gives_the_next_free_one(address: str) -> None:
    with taken(address) as port:
        forward = open_forward(never, wanted=port)
        assert port < forward.local_port <= 65535
        forward.close()


@pytest.mark.parametrize("ask", [True, False])
def test_a_wildcard_listener_for_both_protocols_holds_its_port(ask: bool) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both:
        assert not local_ports.is_free(both.getsockname()[1], ask=ask)


def test_asking_notices_a_listener_that_the_bind_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # as on macOS, where 127.0.0.1 can be bound beside a wildcard listener
    monkeypatch.setattr(socket.socket, "bind", lambda self, address: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not local_ports.is_free(port, ask=True)
        assert local_ports.is_free(port, ask=False)


def test_a_port_below_1024_is_never_chosen() -> None:
    forward = open_forward(never, wanted=80)
    assert forward.local_port >= 1024
    forward.close()


def test_when_the_neighbours_are_taken_the_system_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_ports, "is_free", lambda port: False)
    forward = open_forward(never, wanted=8888)
    assert forward.local_port >= 1024
    forward.close()


def test_a_port_taken_between_the_look_and_the_bind_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with taken() as port:
        monkeypatch.setattr(local_ports, "is_free", lambda port: True)
        forward = open_forward(never, wanted=port)
        assert forward.local_port > port
        forward.close()


def test_the_users_own_port_is_refused_when_taken_with_a_free_one_in_the_hint() -> None:
    with taken() as port:
        with pytest.raises(GpuwsError) as refusal:
            open_forward(never, port)
        assert refusal.value.code == "local-port-taken"
        assert str(port) in refusal.value.message
        assert "--local-port" in refusal.value.hint
        assert str(port) not in refusal.value.hint


@linux
def test_the_refusal_names_the_process_that_holds_the_port() -> None:
    with taken() as port, pytest.raises(GpuwsError, match=rf"pid {os.getpid()}\)"):
        open_forward(never, port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_a_usage_error(port: int) -> None:
    with pytest.raises(GpuwsError) as refusal:
        open_forward(never, port)
    assert refusal.value.code == "usage"


@linux
def test_only_loopback_is_bound() -> None:
    forward = open_forward(never)
    local = f":{forward.local_port:04X}"
    tables = [Path("/proc/net/tcp").read_text(), Path("/proc/net/tcp6").read_text()]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(local)]
    assert listening == [f"0100007F{local}"]  # 127.0.0.1, little-endian
    forward.close()


def test_a_listener_ended_before_it_served_does_not_hang() -> None:
    listener = listen(0, lambda sock: None)
    listener.stop()
    assert not listener.is_alive
    never_started = type(listener)(0, lambda sock: None)
    never_started._create_tunnels()  # what sshtunnel does between its bind and its threads
    never_started.stop()
