"""A flow in reserve: used by one client, by none when it is no good, and never left behind."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.plan.model import Target
from gpuws.plan.ports import Host
from gpuws.tunnel import ahead as aheads
from gpuws.tunnel.ahead import Ahead
from gpuws.tunnel.forward import Forward, open_forward
from tests.support.far_end import far_end, short_folder
from tests.support.jupyters import Jupyter
from tests.support.local_host import LocalHost
from tests.support.near_end import WANTED, dial, eventually, local_host, log_in, read_all
from tests.support.sshd import Sshd, running_sshd


def ahead_to(host: Host, target: Target) -> Ahead:
    return Ahead(lambda sink: host.open_flow(target, sink))


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest, server: Sshd) -> Iterator[Host]:
    made: Host = LocalHost(Path("/")) if request.param == "local" else log_in(server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("ssh") / "s") as running:
        yield running


@contextlib.contextmanager
def reserved(host: Host, target: Target) -> Iterator[Forward]:
    """A forward with a flow in reserve already."""
    ahead = ahead_to(host, target)
    ahead.prepare()
    forward = open_forward(ahead, wanted=WANTED)
    try:
        yield forward
    finally:
        forward.close()


def asked(forward: Forward) -> bool:
    with dial(forward) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return sock.recv(4096).startswith(b"HTTP/1.1 403")


def test_each_client_uses_one_and_the_next_is_opened(host: Host) -> None:
    jupyter = Jupyter()
    with far_end(jupyter) as target, reserved(host, target) as forward:
        assert eventually(lambda: jupyter.connections == 1)
        for number in range(1, 21):
            assert asked(forward)
            assert eventually(lambda number=number: jupyter.connections == number + 1)  # type: ignore[misc]
        time.sleep(0.1)
        assert jupyter.connections == 21


def test_nothing_stays_open_when_the_forward_closes(host: Host) -> None:
    jupyter = Jupyter()
    with far_end(jupyter) as target:
        with reserved(host, target) as forward:
            assert asked(forward)
            assert eventually(lambda: (jupyter.connections, jupyter.ended) == (2, 1))
        assert eventually(lambda: jupyter.ended == 2, 3)


def test_nothing_stays_open_when_the_forward_is_aimed_anew(host: Host) -> None:
    """As each `attach` through the same keeper does."""
    old, new = Jupyter(), Jupyter()
    with far_end(old) as before, far_end(new) as after, reserved(host, before) as forward:
        assert asked(forward)
        forward.retarget(ahead_to(host, after))
        assert asked(forward)
        assert eventually(lambda: (old.connections, old.ended) == (2, 2), 3)
        assert new.connections >= 1


def test_one_that_the_server_closed_meanwhile_is_not_used(host: Host) -> None:
    jupyter = Jupyter()

    def impatient(sock: socket.socket) -> None:
        sock.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            sock.recv(1, socket.MSG_PEEK)
            sock.settimeout(None)
            jupyter(sock)

    with far_end(impatient) as target, reserved(host, target) as forward:
        for _ in range(5):
            time.sleep(0.3)
            assert asked(forward)


def test_a_server_that_speaks_first_is_heard_from_the_first_byte(host: Host) -> None:
    def greet(sock: socket.socket) -> None:
        sock.sendall(b"hello, " * 1000)
        sock.sendall(b"you said " + sock.recv(100))

    with far_end(greet) as target, reserved(host, target) as forward:
        for _ in range(5):
            time.sleep(0.1)  # the one in reserve has spoken
            with dial(forward) as sock:
                sock.sendall(b"hi")
                sock.shutdown(socket.SHUT_WR)
                assert read_all(sock) == b"hello, " * 1000 + b"you said hi"


def test_one_that_was_refused_is_asked_for_again(host: Host) -> None:
    jupyter = Jupyter()
    with short_folder() as folder:
        late = Target(str(folder / "late"))
        with reserved(host, late) as forward:
            time.sleep(0.2)
            with dial(forward) as sock:
                assert read_all(sock) == b""
            with far_end(jupyter) as target:
                Path(target.socket).rename(late.socket)
                assert asked(forward)
                assert asked(forward)


def test_one_that_waited_for_too_long_is_not_used(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aheads, "_FRESH", 0.2)
    jupyter = Jupyter()
    with far_end(jupyter) as target, reserved(host, target) as forward:
        time.sleep(0.4)
        assert asked(forward)
        assert eventually(lambda: (jupyter.connections, jupyter.ended) == (3, 2))


def test_over_a_connection_that_is_gone_there_is_none(tmp_path: Path) -> None:
    jupyter = Jupyter()
    with far_end(jupyter) as target, local_host() as gone, reserved(gone, target) as forward:
        assert asked(forward)
        gone.close()
        with local_host() as host, dial(forward) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            time.sleep(0.2)
            forward.retarget(ahead_to(host, target))
            assert sock.recv(4096).startswith(b"HTTP/1.1 403")
