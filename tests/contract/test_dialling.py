"""Rows 6, 7, 9 and 13: names, addresses and proxy commands on the way to a host."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import dial
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.model import Profile
from gpuws.plan.ports import Host, Script
from tests.support.far_end import echo
from tests.support.near_end import eventually
from tests.support.netlab import SERVER, network
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.sshd import Place, Sshd, free_port, running_sshd

HELLO = Script("hello", "echo hello")
NOWHERE = "10.77.0.3"  # comes before SERVER: it shares more bits with the laptop's address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("ssh") / "s") as running:
        yield running


def of(server: Sshd) -> Profile:
    return resolve(server.alias, ssh_config=server.config)


@contextlib.contextmanager
def connected(profile: Profile) -> Iterator[Host]:
    host = connect(profile, Nobody(), Ear())
    try:
        yield host
    finally:
        host.close()


def refusal(profile: Profile) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        dial.dial(profile)
    assert refused.value.stage == "connect"
    return refused.value


def at(port: int, hostname: str = "127.0.0.1", **changes: object) -> Profile:
    return replace(Profile("box", hostname, port, "ada"), **changes)  # type: ignore[arg-type]


# --- addresses -----------------------------------------------------------------------------------


def test_a_second_address_is_reached_while_packets_to_the_first_vanish(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        net.server.run("ip", "addr", "add", f"{NOWHERE}/24", "dev", "wire")
        net.server.run("iptables", "-I", "INPUT", "-d", NOWHERE, "-j", "DROP")
        names = Path("/etc/netns", net.laptop.name)
        with net.server.listen("0.0.0.0", 7) as listener, host_names(names) as hosts:
            hosts.write_text(f"{NOWHERE} two.example\n{SERVER} two.example\n")
            threading.Thread(target=answer, args=(listener,), daemon=True).start()
            program = (
                "import time; from gpuws.host import dial; from gpuws.plan.model import Profile\n"
                "begun = time.monotonic(); wire = dial.dial(Profile('b', 'two.example', 7, 'a'))\n"
                "print(wire.peer[0], time.monotonic() - begun)"
            )
            peer, seconds = net.laptop.says(program).split()
        assert peer == SERVER
        assert net.server.dropped() > 0
        assert 0.2 < float(seconds) < 1.0


@contextlib.contextmanager
def host_names(folder: Path) -> Iterator[Path]:
    """What `ip netns exec` puts in the place of /etc/hosts."""
    folder.mkdir(parents=True)
    try:
        yield folder / "hosts"
    finally:
        (folder / "hosts").unlink(missing_ok=True)
        folder.rmdir()
        with contextlib.suppress(OSError):  # another one's, or there before us
            folder.parent.rmdir()


def answer(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock, _ = listener.accept()
        echo(sock)


def test_a_black_hole_ends_at_the_connect_timeout(tmp_path: Path) -> None:
    """Row 9."""
    with network(tmp_path) as net:
        net.server.drop_incoming()
        begun = time.monotonic()
        error = net.laptop.inside(lambda: refusal(at(22, SERVER, connect_timeout=0.8)))
    assert (error.code, error.exit) == ("connection-timeout", 6)
    assert 0.7 < time.monotonic() - begun < 3


def test_a_resolver_has_15_seconds_however_long_a_connection_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 6."""
    assert dial.RESOLVE == 15
    monkeypatch.setattr(dial, "RESOLVE", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", late)
    begun = time.monotonic()
    error = refusal(at(22, "slow.example", connect_timeout=600.0))
    assert (error.code, error.exit) == ("name-not-resolved", 6)
    assert "DNS did not answer" in error.message
    assert time.monotonic() - begun < 0.9


def late(*_: object) -> list[object]:
    time.sleep(1)
    return []


def test_an_address_of_ipv6_is_reached_unless_the_family_is_another(tmp_path: Path) -> None:
    if not has_ipv6():
        pytest.skip("needs IPv6 on loopback")
    with running_sshd(tmp_path / "s", place=Place("::1")) as six:
        with connected(of(six)) as host:
            assert host.run(HELLO).out == "hello\n"
        assert refusal(replace(of(six), address_family="inet")).code == "name-not-resolved"
        dial.dial(replace(of(six), address_family="inet6")).close()


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.parametrize("line", ["BindAddress 127.0.0.3", "BindInterface lo"])
def test_a_connection_leaves_where_it_is_told_to(server: Sshd, tmp_path: Path, line: str) -> None:
    config = tmp_path / "config"
    config.write_text(f"{line}\n{server.config.read_text()}")
    before = server.accepted()
    with connected(resolve(server.alias, ssh_config=config)):
        assert eventually(lambda: server.accepted() > before)
        came_from = re.findall(r"Accepted publickey for \S+ from (\S+)", server.log())[before]
    assert came_from == line.split()[1].replace("lo", "127.0.0.1")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("bind_address", "198.51.100.1", "BindAddress 198.51.100.1: "),
        ("bind_interface", "nosuch0", "BindInterface nosuch0: "),
    ],
)
def test_a_place_that_nothing_can_leave_from_is_named(
    server: Sshd, field: str, value: str, said: str
) -> None:
    error = refusal(replace(at(server.port), **{field: value}))  # type: ignore[arg-type]
    assert (error.code, error.exit) == ("host-unreachable", 6)
    assert said in error.message


def test_connection_attempts_come_a_second_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "_PAUSE", 0.2)
    port = free_port()
    begun = time.monotonic()
    assert refusal(at(port, connection_attempts=3)).code == "connection-refused"
    assert 0.4 <= time.monotonic() - begun < 2
    late = threading.Timer(0.1, listen_for_one, (port,))
    late.start()
    dial.dial(at(port, connection_attempts=10)).close()
    late.join()


def listen_for_one(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(5)
        listener.accept()[0].close()


# --- proxy commands ------------------------------------------------------------------------------

RELAY = """\
import os, socket, sys, threading
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def up():
    while data := os.read(0, 65536):
        sock.sendall(data)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536):
    os.write(1, data)
"""


def test_a_proxy_command_that_dies_after_the_login_is_noticed_and_heard(
    server: Sshd, tmp_path: Path
) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    command = f"python3 {relay} {server.port}; echo the road is closed $((40 + 2)) >&2"
    with connected(replace(of(server), proxy_command=f"sh -c '{command}'")) as host:
        assert host.run(HELLO).out == "hello\n"
        [shell] = [
            each for each in psutil.Process().children() if str(relay) in " ".join(each.cmdline())
        ]
        begun = time.monotonic()
        for each in shell.children():
            each.kill()
        assert eventually(lambda: not host.alive(), 2)
        assert time.monotonic() - begun < 1
        with pytest.raises(GpuwsError) as lost:
            host.run(HELLO)
        spun = cpu_seconds(0.4)
    assert lost.value.code == "connection-lost"
    assert "the road is closed 42" in lost.value.detail
    assert eventually(lambda: not shell.is_running(), 3)  # and no zombie: it was waited for
    assert spun < 0.3


def cpu_seconds(seconds: float) -> float:
    """What this process computes while nothing is to be done."""
    before = sum(os.times()[:2])
    time.sleep(seconds)
    return sum(os.times()[:2]) - before


def test_a_proxy_command_that_dies_in_the_login_is_noticed_at_once() -> None:
    """The first words of a server, and then nothing: no deadline is waited for."""
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        command = "sh -c 'printf \"SSH-2.0-x\\r\\n\"; sleep 0.2; echo cut off >&2; exit 1'"
        connect(at(22, proxy_command=command), Nobody(), Ear())
    assert refused.value.code in ("connection-lost", "proxy-command-failed")
    assert "cut off" in refused.value.message + refused.value.detail
    assert time.monotonic() - begun < 5


def test_the_far_end_of_a_silent_proxy_command_has_the_connect_timeout() -> None:
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        connect(at(22, proxy_command="sleep 30", connect_timeout=0.5), Nobody(), Ear())
    assert refused.value.code == "proxy-command-failed"
    assert time.monotonic() - begun < 3
