"""Ports that a workspace's processes open on the host are noticed and offered."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.laptop import Done
from tests.support.outside import Notebook
from tests.support.wired import NAME, WHERE, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(90)


def chosen_port() -> int:
    """A free one as people choose them, below those that the system gives."""
    while True:
        port = random.randint(20000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def opened_by_a_kernel(wire: Wire, *ports: int) -> Iterator[None]:
    """A cell of a notebook listens on them."""
    book = Notebook(wire.door.url)
    kernel = book.start_kernel()
    try:
        code = f"import socket\nheld = [socket.create_server(('127.0.0.1', p)) for p in {ports}]"
        assert book.run(kernel, code) == ""
        yield
    finally:
        book.ask(f"api/kernels/{kernel}", "DELETE")


@pytest.fixture(autouse=True)
def clean(wire: Wire) -> Iterator[None]:
    yield
    (wire.workspace / "forwards").unlink(missing_ok=True)
    (wire.lab.laptop.folder / "state/workspaces.json").unlink(missing_ok=True)


def auto(wire: Wire, *words: str) -> Done:
    return wire.lab.laptop.ok("--json", "forward", WHERE, "--auto", *words)


def noticed(wire: Wire) -> list[int]:
    [found] = [each for each in wire.host()["workspaces"] if each["name"] == NAME]
    return [each["port"] for each in found["ports"]]


def test_ports_of_a_kernel_are_listed_without_those_that_jupyter_gave_it(wire: Wire) -> None:
    wire.attach()
    first, second = sorted((chosen_port(), chosen_port()))
    with opened_by_a_kernel(wire, first, second):
        data = auto(wire).data()
        assert [each["port"] for each in data["ports"]] == [first, second]
        assert data["forwards"] == []
        assert "ipykernel" in data["ports"][0]["command"]
        assert data["ports"][0]["pid"] > 1


def test_yes_forwards_all_and_the_next_time_there_is_nothing_to_offer(wire: Wire) -> None:
    wire.attach()
    port = chosen_port()
    with opened_by_a_kernel(wire, port):
        data = auto(wire, "--yes").data()
        [made] = data["forwards"]
        assert (made["name"], made["remote"]) == (str(port), str(port))
        # the host is this machine, so its own number is taken by the service itself
        assert made["local_port"] != port
        socket.create_connection(("127.0.0.1", made["local_port"]), timeout=5).close()
        assert auto(wire, "--yes").data()["ports"] == []
    assert (wire.workspace / "forwards").read_text() == f"{port}\t{port}\n"


def test_somebody_elses_port_is_not_offered(wire: Wire) -> None:
    """This test listens, and carries no session's mark."""
    wire.attach()
    with socket.create_server(("127.0.0.1", 0)):
        assert auto(wire).data()["ports"] == []


def test_status_tells_of_an_open_port_what_to_type(wire: Wire) -> None:
    wire.attach()
    port = chosen_port()
    with opened_by_a_kernel(wire, port):
        assert noticed(wire) == [port]
        told = wire.lab.laptop.ok("status", "gpubox").out
        assert f"port {port} is open on the host: `gpuws forward {WHERE} {port}`" in told
        wire.lab.laptop.ok("forward", WHERE, str(port))
        assert noticed(wire) == []


def test_the_host_is_asked_every_10_s_at_most_and_only_where_the_workspace_is_open(
    wire: Wire,
) -> None:
    port = chosen_port()
    assert noticed(wire) == []
    wire.attach()
    assert noticed(wire) == []
    with opened_by_a_kernel(wire, port):
        assert noticed(wire) == []  # asked a moment ago
        time.sleep(10)
        assert noticed(wire) == [port]
        wire.forget()
        assert noticed(wire) == []
        wire.attach()


def test_a_terminal_is_asked_port_by_port(wire: Wire) -> None:
    pexpect = pytest.importorskip("pexpect")
    wire.attach()
    first, second = sorted((chosen_port(), chosen_port()))
    laptop = wire.lab.laptop
    with opened_by_a_kernel(wire, first, second):
        person = pexpect.spawn(
            laptop._gpuws[0],
            [*laptop._gpuws[1:], "forward", WHERE, "--auto"],
            cwd=str(laptop.project),
            env=laptop.env,
            encoding="utf-8",
            timeout=20,
        )
        person.expect(f"forward port {first}, process ")
        person.sendline("n")
        person.expect(f"forward port {second}, process ")
        person.sendline("y")
        person.expect(pexpect.EOF)
        said = re.sub(r"\s+", " ", person.before)
        person.close()
        assert f"leads to {second} of {WHERE}" in said
        assert f"`gpuws forward {WHERE} {first}`" in said
    assert (wire.workspace / "forwards").read_text() == f"{second}\t{second}\n"
