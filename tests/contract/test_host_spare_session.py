"""The session that is opened before it is needed, far away where that spares two round trips."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gpuws.plan.ports import Host, Script
from tests.support.fault_proxy import FaultProxy
from tests.support.near_end import eventually, log_in
from tests.support.sshd import Sshd, running_sshd

ROUND_TRIP = 0.1  # seconds
HELLO = Script("hello", "echo hello")
SLOWLY = Script("slowly", "sleep 0.5; echo done")


@contextlib.contextmanager
def far_away(server: Sshd) -> Iterator[Host]:
    with FaultProxy(("127.0.0.1", server.port), delay=ROUND_TRIP / 2) as proxy:
        host = log_in(server, proxy.port)
        try:
            yield host
        finally:
            host.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "s", home=tmp_path) as running:
        yield running


def shells(server: Sshd) -> list[psutil.Process]:
    """Those that wait for a script, or run one."""
    found = [each for one in server.sessions() for each in one.children(recursive=True)]
    return [each for each in found if each.cmdline()[:2] == ["/bin/sh", "-s"]]


def prepared(server: Sshd, host: Host) -> psutil.Process:
    host.prepare()
    assert eventually(lambda: len(shells(server)) == 1)
    time.sleep(ROUND_TRIP)  # and the laptop has heard of it
    [shell] = shells(server)
    return shell


def seconds(host: Host, script: Script = HELLO, *, in_sight: bool = False) -> float:
    begun = time.monotonic()
    assert host.run(script, in_sight=in_sight).status == 0
    return time.monotonic() - begun


def test_it_spares_two_round_trips_once(server: Sshd) -> None:
    with far_away(server) as host:
        seconds(host)
        without = seconds(host)
        prepared(server, host)
        assert round((without - seconds(host)) / ROUND_TRIP) == 2
        assert round((without - seconds(host)) / ROUND_TRIP) == 0
        assert host.calls == 4


def test_next_door_there_is_none(server: Sshd) -> None:
    host = log_in(server)
    try:
        host.prepare()
        time.sleep(0.3)
        assert shells(server) == []
    finally:
        host.close()


def test_to_prepare_again_and_again_opens_one(server: Sshd) -> None:
    with far_away(server) as host:
        for _ in range(5):
            host.prepare()
        prepared(server, host)
        time.sleep(3 * ROUND_TRIP)
    assert server.log().count("Starting session: ") == 1


def test_one_that_died_is_not_used(server: Sshd) -> None:
    with far_away(server) as host:
        shell = prepared(server, host)
        shell.kill()
        time.sleep(2 * ROUND_TRIP)
        assert host.run(HELLO).out == "hello\n"
        prepared(server, host)
        assert host.run(HELLO).out == "hello\n"


def test_one_that_is_not_ready_yet_is_waited_for_where_the_script_must_not_be_seen(
    server: Sshd,
) -> None:
    with far_away(server) as host:
        host.prepare()
        assert host.run(HELLO).out == "hello\n"
        assert eventually(lambda: shells(server) == [])  # the one that ran it has ended


def test_the_login_shells_noise_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").write_text("echo noise; echo more >&2; printf '\\033[31m'\n")
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell="/bin/bash") as server,
        far_away(server) as host,
    ):
        prepared(server, host)
        reply = host.run(HELLO)
        assert (reply.out, reply.status) == ("hello\n", 0)


@pytest.mark.parametrize("allowed", [1, 2])
def test_it_takes_nobody_the_last_session_that_the_server_allows(
    allowed: int, tmp_path: Path
) -> None:
    lines = [f"MaxSessions {allowed}"]
    with running_sshd(tmp_path / "s", lines, home=tmp_path) as server, far_away(server) as host:
        prepared(server, host)
        for _ in range(2):
            host.upload(b"x", str(tmp_path / "file"))
            assert host.run(HELLO, in_sight=True).out == "hello\n"
            host.prepare()  # refused, perhaps, while the one before is ending
            process = host.open_process(SLOWLY)
            host.prepare()  # refused while the process has the only one
            came: list[bytes] = []
            assert process.pump(came.append, came.append) == 0
            assert b"".join(came) == b"done\n"
            assert host.run(HELLO).out == "hello\n"


def test_nothing_of_it_stays_on_the_host(server: Sshd) -> None:
    with far_away(server) as host:
        shell = prepared(server, host)
        host.close()
        assert eventually(lambda: not shell.is_running(), 5)
        assert eventually(lambda: server.sessions() == [], 5)
