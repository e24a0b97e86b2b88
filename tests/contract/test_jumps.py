"""Rows 12 and 19: jump hosts. Three hops stand in a row of network namespaces, where each reaches
only its neighbours, and on loopback where namespaces may not be made."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.ports import Host, Script
from tests.support import netlab
from tests.support.netlab import Machine
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.sshd import LOOPBACK, Place, Sshd, free_port, make_key, running_sshd

HELLO = Script("hello", "echo hello")
PLACES = ("on loopback", "in namespaces")


@dataclass(frozen=True)
class Row:
    """The hops and, last, the host itself. ``config`` reaches it over 0 to 3 of them."""

    servers: list[Sshd]
    config: Path
    laptop: Machine | None

    def connect(self, alias: str) -> Host:
        def go() -> Host:
            return connect(resolve(alias, ssh_config=self.config), Nobody(), Ear())

        return self.laptop.inside(go) if self.laptop else go()

    def refusal(self, alias: str = "target") -> GpuwsError:
        with pytest.raises(GpuwsError) as refused:
            self.connect(alias).close()
        return refused.value

    def says_hello(self, alias: str) -> bool:
        host = self.connect(alias)
        try:
            return host.run(HELLO).out == "hello\n"
        finally:
            host.close()

    def ssh_says_hello(self, alias: str) -> bool:
        words = ("ssh", "-F", str(self.config), "-o", "BatchMode=yes", alias, "echo hello")
        command = self.laptop.command(*words) if self.laptop else words
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        return done.stdout == b"hello\n"

    def accepted(self) -> list[int]:
        return [each.accepted() for each in self.servers]

    def where(self, number: int) -> str:
        server = self.servers[number]
        return f"{server.place.address}:{server.port}"

    def write(self, *, jumps: str = "", more: str = "") -> None:
        """``jumps``: the ProxyJump of ``target``; each hop stands there in another spelling."""
        _, second, third, target = self.servers
        spelled = f"hop0,{second.user}@{self.where(1)},ssh://{third.user}@{self.where(2)}"
        one = f"Host one\n    ProxyJump hop0\n    Port {second.port}\n"
        blocks = [f"Host target\n    ProxyJump {jumps or spelled}\n"]
        blocks += [f"Host two\n    ProxyJump hop0,hop1\n    Port {third.port}\n", one]
        blocks += [as_alias(second, "one"), as_alias(third, "two"), as_alias(target, "target")]
        blocks += [each.config_block() for each in self.servers]
        blocks += [as_alias(second, second.place.address), as_alias(third, third.place.address)]
        self.config.write_text("\n".join([more, *blocks]))


def as_alias(server: Sshd, name: str) -> str:
    """Its block under another name; the port is said elsewhere where the name has one."""
    text = server.config_block().replace(f"Host {server.alias}\n", f"Host {name}\n")
    return text if name == "target" else text.replace(f"    Port {server.port}\n", "")


def row_of(folder: Path, places: list[Place], laptop: Machine | None) -> Iterator[Row]:
    key = make_key(folder / "hosts_key")  # on loopback one address has several servers
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(
                running_sshd(
                    folder / str(number), [f"HostKey {key}"], alias=f"hop{number}", place=place
                )
            )
            for number, place in enumerate(places)
        ]
        public = key.with_suffix(".pub").read_text()
        for server in servers:
            server.known_hosts.write_text(f"[{server.place.address}]:* {public}")
            server.authorized_keys.write_text(
                "".join(each.user_key.with_suffix(".pub").read_text() for each in servers)
            )
        row = Row(servers, folder / "ssh_config", laptop)
        row.write()
        yield row


@pytest.fixture(params=PLACES, scope="module")
def row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Row]:
    folder = tmp_path_factory.mktemp("row")
    if request.param == "on loopback":
        yield from row_of(folder, [LOOPBACK] * 4, None)
        return
    with netlab.row(5) as machines:
        places = [
            Place(netlab.address_in_row(number), machine.command("env"))
            for number, machine in enumerate(machines[1:], 1)
        ]
        yield from row_of(folder, places, machines[0])


@pytest.mark.parametrize(("alias", "logins"), [("one", 2), ("two", 3), ("target", 4)])
def test_each_hop_is_logged_in_to_once(row: Row, alias: str, logins: int) -> None:
    row.write()
    before = row.accepted()
    assert row.says_hello(alias)
    after = row.accepted()
    assert [b - a for a, b in zip(before, after, strict=True)] == [1] * logins + [0] * (4 - logins)
    if row.laptop:  # there it cannot be reached in another way
        last = row.servers[logins - 1]
        with pytest.raises(OSError, match="unreachable"):
            row.laptop.dial((last.place.address, last.port), 1.0)


def test_ssh_takes_the_same_chain(row: Row) -> None:
    row.write()
    assert row.ssh_says_hello("target")


def test_a_changed_key_in_the_middle_of_the_chain_names_that_hop(row: Row, tmp_path: Path) -> None:
    row.write()
    known = row.servers[1].known_hosts
    right = known.read_text()
    known.write_text(right.replace(right.split()[2], public_of(make_key(tmp_path / "other"))))
    before = row.accepted()
    try:
        error = row.refusal()
    finally:
        known.write_text(right)
    assert (error.code, error.exit) == ("host-key-changed", 5)
    assert f"at the jump host {row.servers[1].user}@{row.where(1)}: " in error.message
    assert f"{known}:1" in error.message
    assert row.accepted()[1:] == before[1:]


def public_of(key: Path) -> str:
    return key.with_suffix(".pub").read_text().split()[1]


def test_a_hop_that_is_down_is_named_by_the_one_before_it(row: Row) -> None:
    closed = f"{row.servers[2].place.address}:{free_port()}"
    row.write(jumps=f"hop0,hop1,{closed}")
    error = row.refusal()
    assert (error.code, error.exit) == ("jump-failed", 6)
    assert f"{row.where(1)}: cannot reach it ({closed})" in error.message


def test_a_hop_that_forbids_forwarding_is_named(row: Row, tmp_path: Path) -> None:
    middle = row.servers[1]
    with running_sshd(
        tmp_path / "s", ["AllowTcpForwarding no"], alias="shut", place=middle.place
    ) as shut:
        row.write(jumps="hop0,shut,hop2", more=shut.config_block())
        error = row.refusal()
        assert (error.code, error.exit) == ("jump-failed", 6)
        where = f"{shut.place.address}:{shut.port}"
        assert f"the jump host {where}: forbids forwarding" in error.message


def test_a_hop_that_drops_us_later_is_named(row: Row) -> None:
    row.write()
    host = row.connect("target")
    try:
        assert host.run(HELLO).out == "hello\n"
        row.servers[1].end_sessions()
        with pytest.raises(GpuwsError) as lost:
            host.run(HELLO)
    finally:
        host.close()
    assert lost.value.code == "connection-lost"
    assert f"the jump host {row.where(1)} ended its connection" in lost.value.message


def test_a_host_that_ends_the_connection_itself_is_no_hops_fault(row: Row) -> None:
    row.write()
    host = row.connect("target")
    try:
        row.servers[3].end_sessions()
        with pytest.raises(GpuwsError) as lost:
            host.run(HELLO)
    finally:
        host.close()
    assert lost.value.code == "connection-lost"
    assert "jump host" not in lost.value.message


CIRCLES: dict[str, Callable[[str], str]] = {
    "over itself": lambda rest: f"Host a\n ProxyJump a\n{rest}",
    "of two": lambda rest: f"Host a\n ProxyJump b\nHost b\n ProxyJump a\n{rest}",
    "of everything": lambda rest: f"Host *\n ProxyJump b\n{rest}",
}


@pytest.mark.parametrize("circle", CIRCLES)
def test_a_circle_is_refused_and_shown_before_anything_is_dialled(
    tmp_path: Path, circle: str
) -> None:
    config = tmp_path / "config"
    config.write_text(CIRCLES[circle]("Host *\n HostName %h.invalid\n"))
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        connect(resolve("a", ssh_config=config), Nobody(), Ear())
    assert (refused.value.code, refused.value.exit) == ("jump-failed", 6)
    assert "lead in a circle: a → " in refused.value.message
    assert not refused.value.retryable
    assert time.monotonic() - begun < 5
