"""The two machines of the network laboratory do what their names say: other tests rely on it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.far_end import echo
from tests.support.netlab import LAPTOP, SERVER, Network, network
from tests.support.sshd import Place, running_sshd

PORT = 7


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    with network(tmp_path) as made:
        yield made


@contextlib.contextmanager
def served(net: Network) -> Iterator[socket.socket]:
    """A connection over the wire to an echo on the server."""
    listener = net.server.listen(SERVER, PORT)
    with listener, dial(net, 5.0) as client:  # a first packet may be lost where a link is new
        client.settimeout(1.0)
        far, _ = listener.accept()
        with far:
            threading.Thread(target=quietly, args=(far,), daemon=True).start()
            yield client


def quietly(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        echo(sock)


def dial(net: Network, timeout: float = 1.0) -> socket.socket:
    return net.laptop.dial((SERVER, PORT), timeout)


def answers(client: socket.socket, data: bytes = b"x") -> bool:
    with contextlib.suppress(TimeoutError):
        client.sendall(data)
        taken = b""
        while len(taken) < len(data):
            taken += client.recv(len(data) - len(taken))
        return taken == data
    return False


def test_the_wire_joins_the_two_and_is_no_part_of_this_machines_network(net: Network) -> None:
    with served(net) as client:
        assert answers(client)
        assert client.getsockname()[0] == LAPTOP[0]
    links = subprocess.check_output(["ip", "-o", "link"], text=True)
    assert " wire" not in links  # this machine's own network has no part in it


@pytest.mark.parametrize("fault", ["drop_incoming", "drop_outgoing", "unplug"])
@pytest.mark.parametrize("side", ["laptop", "server"])
def test_a_black_hole_swallows_and_is_healed(net: Network, side: str, fault: str) -> None:
    with served(net) as client:
        getattr(getattr(net, side), fault)()
        assert not answers(client)
        net.heal()
        client.settimeout(5)
        assert client.recv(1) == b"x"  # sent again by the kernel
        with dial(net):
            pass


def test_a_reset_rule_resets(net: Network) -> None:
    with served(net) as client:
        net.server.reset_incoming()
        with pytest.raises(ConnectionResetError):
            answers(client)


def test_a_roamed_laptop_comes_from_another_address_and_the_old_one_is_dead(net: Network) -> None:
    with served(net) as client:
        net.roam()
        with contextlib.suppress(OSError):
            assert not answers(client)
        with dial(net) as late:
            assert late.getsockname()[0] == LAPTOP[1]
        net.heal()
        with dial(net) as late:
            assert late.getsockname()[0] == LAPTOP[0]


def test_long_packets_vanish_and_short_ones_pass(net: Network) -> None:
    with served(net) as client:
        net.server.drop_longer_than(1280)
        assert answers(client, b"x" * 1000)
        assert not answers(client, b"x" * 1400)


def test_a_narrow_wire_takes_its_time(net: Network) -> None:
    with served(net) as client:
        client.settimeout(10)
        net.server.narrow("800kbit")  # 100 kB a second, after a burst of 16 kB
        begin = time.monotonic()
        assert answers(client, b"x" * 120_000)
        assert 0.7 < time.monotonic() - begin < 5


def test_some_packets_get_lost_and_everything_arrives(net: Network) -> None:
    with served(net) as client:
        client.settimeout(20)
        net.server.lose(0.3)
        assert answers(client, b"x" * 200_000)
        assert net.server.dropped() > 0


def test_the_server_has_a_boot_of_its_own_that_can_change(net: Network) -> None:
    real = Path("/proc/sys/kernel/random/boot_id").read_text()
    ask = [*net.on_server(), "cat", "/proc/sys/kernel/random/boot_id"]
    assert subprocess.check_output(ask, text=True) == real
    net.new_boot()
    assert subprocess.check_output(ask, text=True) == net.boot_id.read_text() != real
    assert Path("/proc/sys/kernel/random/boot_id").read_text() == real


def test_a_real_sshd_on_the_server_is_reached_from_the_laptop(net: Network, tmp_path: Path) -> None:
    place = Place(SERVER, net.on_server())
    with running_sshd(tmp_path / "s", place=place) as server:
        ssh = ["ssh", "-F", str(server.config), server.alias, "echo there"]
        command = [*net.laptop.command(*ssh)]
        assert subprocess.check_output(command, text=True, timeout=20) == "there\n"


def test_nothing_is_left_of_a_network_whose_test_failed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="of the test"), network(tmp_path) as made:
        assert made.laptop.name in namespaces()
        raise RuntimeError("of the test")
    assert not {made.laptop.name, made.server.name} & set(namespaces())


def test_the_networks_of_a_killed_run_are_removed_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan, alive = f"gpuws-{gone.pid}-0-laptop", f"gpuws-{os.getpid()}-x-laptop"
    with network(tmp_path):
        try:
            for name in (orphan, alive):
                subprocess.run(["ip", "netns", "add", name], check=True)
            with network(tmp_path):
                assert orphan not in namespaces()
                assert alive in namespaces()
        finally:
            for name in (orphan, alive):
                subprocess.run(["ip", "netns", "del", name], capture_output=True)


def namespaces() -> list[str]:
    listed = subprocess.check_output(["ip", "netns", "list"], text=True)
    return [line.split()[0] for line in listed.splitlines()]
