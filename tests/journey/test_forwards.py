"""Forwards beside Jupyter's: the verb, hosts.yaml, what the host remembers, and who ends them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.far_end import far_end
from tests.support.lab import prefer_own_port
from tests.support.laptop import Laptop
from tests.support.outside import listeners
from tests.support.sshd import free_port
from tests.support.wired import NAME, WHERE, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(90)

FORWARD = {
    *("name", "remote", "local_port", "state", "reason", "connections", "bytes_in", "bytes_out"),
}


def greet(sock: socket.socket) -> None:
    sock.sendall(b"hello")


@contextlib.contextmanager
def greeting(port: int) -> Iterator[None]:
    """Somebody listens on this port of the host."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as sock:
                        greet(sock)

        threading.Thread(target=serve, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def heard(port: int, timeout: float = 10.0) -> bytes:
    """What comes out of a local port until its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        return b"".join(iter(lambda: sock.recv(4096), b""))


def forward(wire: Wire, *words: str) -> dict[str, Any]:
    return wire.lab.laptop.ok("--json", "forward", WHERE, *words).data()


def forwards(wire: Wire) -> dict[str, dict[str, Any]]:
    """By name, as status lists them."""
    [found] = [each for each in wire.host()["workspaces"] if each["name"] == NAME]
    assert all(set(each) == FORWARD for each in found["forwards"])
    return {each["name"]: each for each in found["forwards"]}


@pytest.fixture(autouse=True)
def clean(wire: Wire) -> Iterator[None]:
    """No forward is remembered from test to test, on the host or on the laptop."""
    yield
    (wire.workspace / "forwards").unlink(missing_ok=True)
    (wire.lab.laptop.folder / "state/workspaces.json").unlink(missing_ok=True)
    prefer_own_port(wire.lab.laptop)


def test_a_port_of_the_host_is_there_under_its_own_number(wire: Wire) -> None:
    wire.attach()
    remote = free_port()
    answer = forward(wire, str(remote))
    assert answer == {
        "workspace": WHERE,
        "name": str(remote),
        "remote": str(remote),
        "local_port": answer["local_port"],
    }
    # the host is this machine too, so its own number is free until somebody listens
    assert answer["local_port"] == remote
    assert forwards(wire)[str(remote)]["state"] == "open"
    assert listeners(remote) == [f"127.0.0.1:{remote}"]


def test_a_service_that_listens_later_is_refused_until_then(wire: Wire) -> None:
    wire.attach()
    remote, local = free_port(), free_port()
    forward(wire, f"{local}:{remote}", "later")
    assert heard(local) == b""
    assert str(remote) in forwards(wire)["later"]["reason"]
    with greeting(remote):
        assert heard(local) == b"hello"
    assert forwards(wire)["later"]["reason"] == ""


def test_a_unix_socket_is_as_good_a_target(wire: Wire) -> None:
    wire.attach()
    with far_end(greet) as target:
        assert heard(forward(wire, target.socket)["local_port"]) == b"hello"
        local = free_port()
        assert forward(wire, f"{local}:{target.socket}", "other")["local_port"] == local
        assert heard(local) == b"hello"


def test_a_local_port_that_is_taken_is_exit_13_when_it_was_asked_for(wire: Wire) -> None:
    wire.attach()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = wire.lab.laptop.run("--json", "forward", WHERE, f"{port}:{free_port()}", "x")
        assert done.code == 13
        assert done.json()["error"]["code"] == "local-port-taken"
        assert "gpuws forward" in done.json()["error"]["hint"]
        assert forward(wire, str(port), "y")["local_port"] != port
    assert set(forwards(wire)) == {"y"}


def test_a_name_leads_to_one_place(wire: Wire) -> None:
    wire.attach()
    first = forward(wire, str(free_port()), "board")
    again = wire.lab.laptop.run("--json", "forward", WHERE, str(free_port()), "board")
    assert (again.code, again.json()["error"]["code"]) == (10, "forward-exists")
    assert forward(wire, first["remote"], "board") == first


def test_without_a_tunnel_it_brings_a_connection_of_its_own_and_no_jupyter(wire: Wire) -> None:
    remote, local = free_port(), free_port()
    forward(wire, f"{local}:{remote}", "alone")
    time.sleep(1.5)
    with greeting(remote):
        assert heard(local) == b"hello"
    assert wire.tunnel() is None
    wire.lab.laptop.ok("forward", "rm", WHERE, "alone")
    assert until_no_keeper(wire.lab.laptop)


def until_no_keeper(laptop: Laptop) -> bool:
    for _ in range(50):
        if not laptop.keepers():
            return True
        time.sleep(0.1)
    return False


def test_rm_ends_it_here_and_in_the_hosts_memory(wire: Wire) -> None:
    wire.attach()
    local = forward(wire, str(free_port()), "board")["local_port"]
    kept = forward(wire, str(free_port()), "kept")
    ended = wire.lab.laptop.ok("--json", "forward", "rm", WHERE, "board").data()
    assert ended == {"workspace": WHERE, "name": "board", "closed": True}
    assert listeners(local) == []
    assert set(forwards(wire)) == {"kept"}
    assert (wire.workspace / "forwards").read_text() == f"kept\t{kept['remote']}\n"
    again = wire.lab.laptop.run("--json", "forward", "rm", WHERE, "board")
    assert (again.code, again.json()["error"]["code"]) == (11, "forward-not-found")
    assert "kept" in again.json()["error"]["hint"]


def test_ls_lists_open_and_closed_ones(wire: Wire) -> None:
    wire.attach()
    made = forward(wire, str(free_port()), "board")
    [listed] = wire.lab.laptop.ok("--json", "forward", "ls", "gpubox").data()["forwards"]
    assert (listed["workspace"], listed["name"]) == (WHERE, "board")
    assert (listed["state"], listed["local_port"]) == ("open", made["local_port"])
    wire.forget()
    assert forwards(wire)["board"]["state"] == "closed"
    assert f"{made['remote']} on the host, closed" in wire.lab.laptop.ok("forward", "ls").out


def test_it_ends_with_the_view_that_it_joined(wire: Wire) -> None:
    view = wire.lab.laptop.start("attach", WHERE)
    try:
        assert view.stderr is not None
        assert any("until Ctrl-C" in line for line in view.stderr)
        local = forward(wire, str(free_port()), "board")["local_port"]
        assert listeners(local)
        view.send_signal(signal.SIGINT)
        view.communicate(timeout=10)
    finally:
        view.kill()
        view.communicate(timeout=10)
    assert until_no_keeper(wire.lab.laptop)
    assert listeners(local) == []


def test_attach_restores_all_on_the_same_ports_even_where_another_would_be_first(
    wire: Wire,
) -> None:
    """After the keeper's death, as after a laptop's reboot."""
    wire.attach()
    remote = free_port()
    with socket.create_server(("127.0.0.1", remote)):
        moved = forward(wire, str(remote), "moved")["local_port"]
    assert moved != remote
    with far_end(greet) as target:
        forward(wire, target.socket, "door")
        before = {name: each["local_port"] for name, each in forwards(wire).items()}
        wire.forget()
        attached = wire.lab.laptop.ok("--json", "attach", WHERE, "-d").data()
        after = {each["name"]: each["local_port"] for each in attached["forwards"]}
        assert after == before == {"moved": moved, "door": before["door"]}
        assert heard(after["door"]) == b"hello"


def test_another_laptop_gets_them_too(wire: Wire, short_tmp: Path) -> None:
    wire.attach()
    with far_end(greet) as target:
        forward(wire, target.socket, "door")
        other = Laptop(short_tmp / "other", wire.lab.server)
        try:
            [door] = other.ok("--json", "attach", WHERE, "-d").data()["forwards"]
            assert door["name"] == "door"
            assert heard(door["local_port"]) == b"hello"
        finally:
            other.end()


def test_those_of_hosts_yaml_are_opened_and_what_is_taken_moves_on(wire: Wire) -> None:
    remote, local = free_port(), free_port()
    lines = f"    forwards:\n      board: {remote}\n      fixed: {local}:{remote}\n"
    prefer_own_port(wire.lab.laptop, lines)
    with greeting(remote):
        attached = wire.lab.laptop.ok("--json", "attach", WHERE, "-d").data()
        ports = {each["name"]: each["local_port"] for each in attached["forwards"]}
        assert ports["fixed"] == local
        assert ports["board"] != remote
        assert {name: heard(port) for name, port in ports.items()} == {
            "board": b"hello",
            "fixed": b"hello",
        }
    assert not (wire.workspace / "forwards").exists()


def test_what_a_host_lists_is_believed_only_where_it_can_be_meant(wire: Wire) -> None:
    good = free_port()
    lines = [
        f"good\t{good}",
        "bad\t99999",
        "../x\t7000",
        "jupyter\t7001",
        "low\t80:7002",
        "x",
        "\t",
    ]
    lines += [f"n{number}\t{20000 + number}" for number in range(40)]
    (wire.workspace / "forwards").write_text("\n".join(lines) + "\n")
    listed = forwards(wire)
    assert list(listed) == ["good", *(f"n{number}" for number in range(15))]


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_file_that_is_none_of_ours_is_not_read(wire: Wire, kind: str) -> None:
    file = wire.workspace / "forwards"
    if kind == "fifo":
        os.mkfifo(file)
    else:
        target = wire.workspace / "elsewhere"
        target.write_text("x\t7000\n")
        file.symlink_to(target)
    assert forwards(wire) == {}


@pytest.mark.healing
def test_all_of_them_heal_with_jupyters(wire: Wire) -> None:
    """A client that asks during the outage waits for its own service."""
    wire.attach()
    with far_end(greet) as door, far_end(lambda sock: sock.sendall(b"other")) as other:
        ports = [
            forward(wire, each.socket, name)["local_port"]
            for each, name in ((door, "door"), (other, "other"))
        ]
        wire.proxy.dark = True
        wire.until("reconnecting")
        assert {each["state"] for each in forwards(wire).values()} == {"reconnecting"}
        wire.proxy.heal()
        assert [heard(port, 20) for port in ports] == [b"hello", b"other"]
        assert wire.door.works()
    assert {each["state"] for each in forwards(wire).values()} == {"open"}


def test_rm_during_an_outage_ends_it_here_and_says_what_stays(wire: Wire) -> None:
    wire.attach()
    with far_end(greet) as door:
        port = forward(wire, door.socket, "door")["local_port"]
        wire.proxy.dark = True
        wire.until("reconnecting")
        ended = wire.lab.laptop.ok("--json", "forward", "rm", WHERE, "door")
        assert ended.data() == {"workspace": WHERE, "name": "door", "closed": True}
        assert "still lists door" in ended.err
        with pytest.raises(ConnectionRefusedError):
            heard(port)
        again = wire.lab.laptop.run("--json", "forward", "rm", WHERE, "door")
        assert again.code == 6
        wire.proxy.heal()
        assert wire.until("open")
    assert "door" in forwards(wire)  # the host remembers it
    assert wire.lab.laptop.ok("--json", "forward", "rm", WHERE, "door").data()["closed"] is False
    assert "door" not in forwards(wire)


def test_a_projects_forwards_are_opened_by_up_and_stay_with_the_workspace(
    wire: Wire, jupyter_env: Path, short_tmp: Path
) -> None:
    """Over down and up on the same ports; another laptop has neither file."""
    laptop, remote = wire.lab.laptop, free_port()
    laptop.write("gpuws.yaml", f"forwards:\n  board: {remote}\n")
    words = ("up", "gpubox", "--name", "two", "--use-env", str(jupyter_env))
    other = Laptop(short_tmp / "other", wire.lab.server)
    try:
        with socket.create_server(("127.0.0.1", remote)):
            [first] = laptop.ok("--json", *words).data()["forwards"]
        assert (first["name"], first["remote"]) == ("board", str(remote))
        assert first["local_port"] != remote
        [theirs] = other.ok("--json", "attach", "gpubox/two").data()["forwards"]
        assert theirs["name"] == "board"
        laptop.ok("down", "gpubox/two", "--yes")
        assert listeners(first["local_port"]) == []
        assert laptop.ok("--json", *words).data()["forwards"] == [first]
    finally:
        (laptop.project / "gpuws.yaml").unlink()
        other.end()
        laptop.ok("down", "gpubox/two", "--purge", "--yes")


def test_a_workspace_without_jupyter_has_forwards_all_the_same(
    wire: Wire, jupyter_env: Path
) -> None:
    laptop = wire.lab.laptop
    use = ("--use-env", str(jupyter_env), "--no-jupyter")
    laptop.ok("up", "gpubox", "--name", "bare", *use)
    try:
        assert laptop.run("attach", "gpubox/bare", "-d").code == 11
        with far_end(greet) as door:
            laptop.ok("forward", "gpubox/bare", door.socket, "door")
            wire.forget()
            attached = laptop.ok("--json", "attach", "gpubox/bare").data()
            assert (attached["url"], attached["local_port"]) == ("", 0)
            assert heard(attached["forwards"][0]["local_port"]) == b"hello"
    finally:
        laptop.ok("down", "gpubox/bare", "--purge", "--yes")
