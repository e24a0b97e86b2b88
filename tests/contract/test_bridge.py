"""The bridge beside what every forward must do (test_tunnel_over_ssh): its program and its end."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpuws.errors import GpuwsError
from gpuws.host import sessions
from gpuws.host.bridge.bridged import Bridged
from gpuws.plan.model import Target
from gpuws.plan.ports import Host, Script
from tests.support.ending import end_with_helpers
from tests.support.far_end import answer_after_the_question, echo, far_end
from tests.support.lab import tools_without
from tests.support.near_end import carried, dial, eventually, log_in, read_all
from tests.support.sshd import Sshd, running_sshd

ONLY = "MaxSessions 1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "home").mkdir()
    with running_sshd(folder / "d", ["DisableForwarding yes", ONLY], home=folder / "home") as sshd:
        yield sshd


@contextlib.contextmanager
def bridged(server: Sshd) -> Iterator[Host]:
    with contextlib.closing(Bridged(log_in(server), "")) as host:
        yield host


def programs(server: Sshd) -> list[psutil.Process]:
    """The bridges that run behind this server."""
    found = []
    for process in psutil.Process(server.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("class FarEnd" in word for word in process.cmdline()):
                found.append(process)
    return found


def test_it_is_one_program_that_goes_with_the_connection(server: Sshd) -> None:
    with (
        bridged(server) as host,
        far_end(echo) as target,
        carried(host, target) as forward,
        dial(forward) as one,
        dial(forward) as other,
    ):
        for client in (one, other):
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
        assert len(programs(server)) == 1
    assert eventually(lambda: programs(server) == [])


def test_a_client_that_reads_nothing_holds_nobody_up(server: Sshd) -> None:
    def flood(sock: socket.socket) -> None:
        for _ in range(400):
            sock.sendall(bytes(1 << 16))

    with (
        bridged(server) as host,
        far_end(flood) as target,
        far_end(echo) as other,
        carried(host, target) as forward,
        carried(host, other) as quick,
        dial(forward) as idle,
        dial(quick) as client,
    ):
        idle.recv(1)
        before = psutil.Process().memory_info().rss
        for _ in range(50):
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
        assert psutil.Process().memory_info().rss - before < 16 << 20
        assert forward.stats().bytes_in < 16 << 20
        assert len(read_all(idle)) == (400 << 16) - 1


def test_one_that_is_ended_is_a_reset_and_the_next_connection_begins_another(
    server: Sshd,
) -> None:
    with bridged(server) as host, far_end(echo) as target, carried(host, target) as forward:
        with dial(forward) as client:
            client.sendall(b"hi")
            assert client.recv(2) == b"hi"
            end_with_helpers(programs(server))
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with dial(forward) as client:
            client.sendall(b"on")
            assert client.recv(2) == b"on"


def test_of_one_session_a_bridge_in_use_says_so_and_an_idle_one_gives_it_back(
    server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 26."""
    monkeypatch.setattr(sessions, "_BUSY", 0.3)
    with bridged(server) as host, far_end(echo) as target:
        stream = host.open_stream(target)
        with pytest.raises(GpuwsError) as refused:
            host.run(Script("t", "echo there\n"))
        assert refused.value.code == "remote-shell"
        assert "MaxSessions" in refused.value.hint
        stream.close()
        assert host.run(Script("t", "echo there\n")).out == "there\n"
        host.open_stream(target).close()


def test_a_stream_has_deadlines_and_wakes_its_reader(server: Sshd) -> None:
    with bridged(server) as host, far_end(answer_after_the_question) as target:
        stream = host.open_stream(target)
        stream.settimeout(0.1)
        with pytest.raises(TimeoutError):
            stream.recv(1)
        stream.settimeout(5)
        stream.sendall(b"why?")
        stream.shutdown_write()
        answer = b"".join(iter(lambda: stream.recv(3), b""))
        assert answer == b"you asked: why?"
        stream.close()
        waiting = host.open_stream(target)
        threading.Timer(0.1, waiting.close).start()
        assert waiting.recv(1) == b""


def test_where_nothing_listens_it_says_so(server: Sshd) -> None:
    with bridged(server) as host:
        for target in (Target(socket="/none"), Target(port=1)):
            with pytest.raises(GpuwsError) as refused:
                host.open_stream(target)
            assert refused.value.code == "tunnel-failed"
            assert str(target) in refused.value.message


def test_without_a_python_of_the_host_it_is_the_environments(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    names = [path.name for path in Path("/usr/bin").glob("*python*")]
    names += [path.name for path in Path("/usr/local/bin").glob("*python*")]
    path = tools_without(tmp_path / "bin", *names)
    lines = ["DisableForwarding yes"]
    with (
        running_sshd(tmp_path / "d", lines, home=home, env={"PATH": path}) as server,
        bridged(server) as host,
        far_end(answer_after_the_question) as target,
    ):
        with pytest.raises(GpuwsError) as refused:
            host.open_stream(target)
        assert refused.value.code == "forwarding-refused"
        assert "no Python 3.7 or newer" in refused.value.message

        prefix = home / "env"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin/python").symlink_to(sys.executable)
        folder = home / "gpuws/workspaces/w"
        folder.mkdir(parents=True)
        (folder / "workspace.json").write_text(json.dumps({"prefix": str(prefix)}) + "\n")
        with carried(host, target) as forward, dial(forward) as client:
            client.sendall(b"who?")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"you asked: who?"
