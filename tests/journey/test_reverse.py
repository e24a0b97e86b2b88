"""`reverse:` of hosts.yaml: a port of the host's loopback that leads to the laptop."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.door import how_it_ends
from tests.support.far_end import echo
from tests.support.lab import prefer_own_port
from tests.support.outside import listeners
from tests.support.sshd import free_port
from tests.support.wired import WHERE, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(90)


@contextlib.contextmanager
def proxy_of_the_laptop() -> Iterator[int]:
    """A program of the laptop that sends back what it gets; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    threading.Thread(target=answer, args=(sock,), daemon=True).start()

        def answer(sock: socket.socket) -> None:
            with sock, contextlib.suppress(OSError):
                echo(sock)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def asked(port: int, data: bytes, timeout: float = 10.0) -> bytes:
    """On the host: what comes back from its port."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        threading.Thread(target=say, args=(sock, data), daemon=True).start()
        return b"".join(iter(lambda: sock.recv(1 << 20), b""))


def say(sock: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


@pytest.fixture(autouse=True)
def clean(wire: Wire) -> Iterator[None]:
    yield
    prefer_own_port(wire.lab.laptop)


def lead(wire: Wire, remote: int, local: int) -> str:
    """Attach with such an entry; what was said."""
    prefer_own_port(wire.lab.laptop, f"    reverse:\n      proxy: {remote}:{local}\n")
    return wire.lab.laptop.ok("--json", "attach", WHERE, "-d").err


def test_the_hosts_port_leads_to_the_laptop_both_ways_and_only_on_loopback(wire: Wire) -> None:
    remote, data = free_port(), bytes(range(256)) * 20_000
    with proxy_of_the_laptop() as local:
        assert "warning" not in lead(wire, remote, local)
        assert listeners(remote) == [f"127.0.0.1:{remote}"]
        assert asked(remote, data) == data
        assert asked(remote, b"again") == b"again"
        told = {"name": "proxy", "remote_port": remote, "local_port": local, "state": "open"}
        assert wire.host()["reverse"] == [told]


def test_it_ends_with_the_keeper(wire: Wire) -> None:
    remote = free_port()
    with proxy_of_the_laptop() as local:
        lead(wire, remote, local)
        wire.forget()
        assert listeners(remote) == []


def test_what_does_not_listen_on_the_laptop_is_refused_and_nothing_breaks(wire: Wire) -> None:
    remote, nobody = free_port(), free_port()
    lead(wire, remote, nobody)
    with socket.create_connection(("127.0.0.1", remote), timeout=10) as sock:
        assert how_it_ends(sock, 5) in (("end", b""), ("reset", b""))  # as the server likes
    assert wire.until("open")


def test_an_entry_that_goes_away_closes_the_port_at_the_next_attach(wire: Wire) -> None:
    first, second = free_port(), free_port()
    with proxy_of_the_laptop() as local:
        lead(wire, first, local)
        lead(wire, second, local)
        assert asked(second, b"x") == b"x"
        for _ in range(50):
            if not listeners(first):
                break
            time.sleep(0.1)
        assert listeners(first) == []


def test_a_port_that_is_taken_on_the_host_costs_one_warning(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = lead(wire, port, free_port())
    assert said.count("warning") == 1
    assert f"port {port}" in said


@pytest.mark.healing
@pytest.mark.parametrize("fault", ["cut", "dark"])
def test_it_leads_back_again_after_a_reconnect(wire: Wire, fault: str) -> None:
    """After "dark" the server's old process has the port until it, too, is sure of the end."""
    remote = free_port()
    with proxy_of_the_laptop() as local:
        lead(wire, remote, local)
        if fault == "cut":
            wire.proxy.cut()
        else:
            wire.proxy.dark = True
            wire.until("reconnecting")
            old = wire.lab.server.sessions()
            wire.proxy.heal()
            wire.until("open")
            for each in old:
                with contextlib.suppress(Exception):
                    each.kill()
        deadline, came = time.monotonic() + 12, b""
        while came != b"back" and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                came = asked(remote, b"back", 3)
            time.sleep(0.1)
        assert came == b"back"
