"""Rows 14 to 16: with a host key that is not the right one a server hears nothing of the login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from paramiko.common import MSG_DISCONNECT, MSG_NEWKEYS

from gpuws.errors import GpuwsError
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from tests.support.fake_server import GONE, LoginServer, Rules, login_server
from tests.support.near_end import eventually
from tests.support.person import Ear, Person
from tests.support.sshd import make_key

SERVICE_REQUEST = 5


@dataclass(frozen=True)
class Case:
    """``known``: the text of known_hosts; ``answers``: of the person at the keyboard."""

    known: Callable[[LoginServer, Path], str]
    code: str
    answers: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()  # of the ssh_config; FOLDER stands for the test's


def line_of(server: LoginServer, key: Path, marker: str = "") -> str:
    kind, blob, *_ = key.with_name(key.name + ".pub").read_text().split()
    return f"{marker} [127.0.0.1]:{server.port} {kind} {blob}\n".lstrip()


def right(server: LoginServer, _: Path) -> str:
    return line_of(server, server.host_key)


def changed(server: LoginServer, folder: Path) -> str:
    return "# another\n" + line_of(server, make_key(folder / "another"))


def revoked(server: LoginServer, folder: Path) -> str:
    return right(server, folder) + line_of(server, server.host_key, "@revoked")


def listed(server: LoginServer, folder: Path) -> str:
    (folder / "list").write_text(server.host_key.with_suffix(".pub").read_text())
    return right(server, folder)


def nothing(_: LoginServer, __: Path) -> str:
    return ""


ACCEPT = "StrictHostKeyChecking accept-new"
STOPS = {
    "changed": Case(changed, "host-key-changed"),
    "changed, and new ones are accepted": Case(changed, "host-key-changed", lines=(ACCEPT,)),
    "changed, and nothing is checked": Case(
        changed, "host-key-changed", lines=("StrictHostKeyChecking no",)
    ),
    "revoked": Case(revoked, "host-key-revoked"),
    "revoked in a file": Case(
        listed, "host-key-revoked", lines=("RevokedHostKeys FOLDER/list", ACCEPT)
    ),
    "unknown, and the person says no": Case(nothing, "host-key-unknown", ("no",)),
    "unknown, and the person expects another": Case(nothing, "host-key-unknown", ("SHA256:x",)),
    "unknown, and the person answers anything": Case(nothing, "host-key-unknown", ("y", "ok", "?")),
    "unknown, and only known ones are taken": Case(
        nothing, "host-key-unknown", lines=("StrictHostKeyChecking yes",)
    ),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoginServer]:
    with login_server(tmp_path / "s", Rules()) as running:
        yield running


def after_the_keys(server: LoginServer) -> list[int]:
    heard = server.rules.heard
    assert eventually(lambda: GONE in heard)
    return heard[heard.index(MSG_NEWKEYS) + 1 :]


@pytest.mark.parametrize("name", STOPS)
def test_nothing_is_sent_where_the_key_is(server: LoginServer, tmp_path: Path, name: str) -> None:
    case = STOPS[name]
    server.known_hosts.write_text(case.known(server, tmp_path))
    server.write_config(*(line.replace("FOLDER", str(tmp_path)) for line in case.lines))
    with pytest.raises(GpuwsError) as refused:
        log_in(server, *case.answers)
    error = refused.value
    assert (error.code, error.exit, error.stage) == (case.code, 5, "connect")
    assert set(after_the_keys(server)) <= {MSG_DISCONNECT, GONE}
    if case.code != "host-key-unknown":
        place = tmp_path / "list:1" if "file" in name else f"{server.known_hosts}:2"
        assert str(place) in error.message


def log_in(server: LoginServer, *answers: str) -> None:
    connect(resolve("asker", ssh_config=server.config), Person(answers), Ear()).close()


def test_a_server_with_the_right_key_hears_more(server: LoginServer) -> None:
    log_in(server, server.rules.password)
    assert after_the_keys(server)[0] == SERVICE_REQUEST
