"""`gpuws hosts add` against real servers: the entry, its own host keys, and gateways. Row 14."""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.test_contract import failure
from tests.cli.test_trust import typed
from tests.support.lab import short_folder
from tests.support.laptop import Laptop
from tests.support.sshd import Sshd, running_sshd

NO_WAY_OUT = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
"""Of the host: doctor asks whether it reaches the channels, and no test leaves the loopback."""
_GATEWAY = ("AllowTcpForwarding no", "AllowStreamLocalForwarding no")


@pytest.fixture(scope="module")
def first() -> Iterator[Sshd]:
    with short_folder() as folder, running_sshd(folder, env=NO_WAY_OUT) as server:
        yield server


@pytest.fixture(scope="module")
def second(first: Sshd) -> Iterator[Sshd]:
    """The machine after it: another port, another host key, the same key to log in with."""
    with short_folder() as folder, running_sshd(folder, env=NO_WAY_OUT) as server:
        server.authorized_keys.write_text(first.authorized_keys.read_text())
        yield server


def line(server: Sshd, key: Sshd | None = None) -> tuple[str, ...]:
    """As a console prints it."""
    login = ("-i", str((key or server).user_key), "-o", "StrictHostKeyChecking=no")
    way = ("-p", str(server.port), f"{server.user}@127.0.0.1", "-L", "8080:localhost:8080")
    return ("--", "ssh", *login, *way)


def known(laptop: Laptop, name: str = "rented") -> Path:
    return laptop.config / "known_hosts" / name


def until(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def key_of(server: Sshd) -> str:
    return server.host_key_line().split()[2]


def test_a_console_line_becomes_an_entry_with_host_keys_of_its_own(
    laptop: Laptop, first: Sshd
) -> None:
    laptop.hosts("hosts:\n  # the lab's\n  lab: # big\n")
    data = laptop.ok("--json", "--accept-new", "hosts", "add", "rented", *line(first)).data()
    assert data["action"] == "created"
    assert data["ports"] is True
    assert {"authentication-failed", "no-engine", "channel-unreachable"} <= {
        each["id"] for each in data["checks"]
    }
    assert data["notes"][1] == "left out: -L 8080:localhost:8080 (gpuws makes its own forwards)"
    text = (laptop.config / "hosts.yaml").read_text()
    assert f"  rented:\n    ssh: {first.user}@127.0.0.1\n    port: {first.port}\n" in text
    assert text.endswith("  # the lab's\n  lab: # big\n")
    assert known(laptop).read_text().split() == ["rented", "ssh-ed25519", key_of(first)]
    assert stat.S_IMODE(known(laptop).stat().st_mode) == 0o600
    assert "rented: no GPU" in laptop.ok("status", "rented").out


def test_a_renewed_address_with_another_key_is_shown_and_asked(
    laptop: Laptop, first: Sshd, second: Sshd
) -> None:
    laptop.ok("--accept-new", "hosts", "add", "rented", *line(first))
    path = laptop.config / "hosts.yaml"
    path.write_text(path.read_text() + "    root: /workspace/gpuws # the volume\n")
    refused = laptop.run("hosts", "add", "rented", *line(second, first))
    assert refused.code == 5
    assert f"port: {first.port} → {second.port}" in refused.err
    assert "ssh_host_ed25519_key.pub" in refused.err
    assert key_of(first) in known(laptop).read_text()

    child = typed(laptop, "hosts", "add", "rented", *line(second, first))
    child.expect("rented is another machine.*known until now: ssh-ed25519 SHA256:")
    child.expect("SHA256:.*Is it the right one")
    child.sendline("yes")
    child.expect("rented answers as")
    child.wait()
    assert known(laptop).read_text().split() == ["rented", "ssh-ed25519", key_of(second)]
    assert [each.name for each in known(laptop).parent.iterdir()] == ["rented"]
    assert "root: /workspace/gpuws # the volume\n" in path.read_text()
    assert laptop.ok("status", "rented").code == 0


def test_the_changed_key_of_another_entry_still_stops_with_file_and_line(
    laptop: Laptop, first: Sshd, second: Sshd
) -> None:
    laptop.ok("--accept-new", "hosts", "add", "rented", *line(first))
    laptop.ok("--accept-new", "hosts", "add", "other", *line(first))
    known(laptop, "other").write_text(f"other ssh-ed25519 {key_of(second)}\n")
    laptop.ok("--accept-new", "hosts", "add", "rented", *line(second, first))
    error = failure(laptop.run("--json", "--accept-new", "url", "other"), 5)
    assert error["code"] == "host-key-changed"
    assert f"{known(laptop, 'other')}:1" in str(error["message"])
    assert "gpuws hosts add other" in str(error["hint"])


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        (["ForceCommand echo this gateway gives terminals only; exit 1"], "remote-shell", "direct"),
        (["ForceCommand sleep 30"], "remote-shell", "runs no commands"),
        ([*_GATEWAY], "forwarding-refused", "forwards nothing"),
    ],
)
def test_a_gateway_is_named_within_three_seconds_of_the_login(
    laptop: Laptop, short_tmp: Path, lines: list[str], code: str, said: str
) -> None:
    with socket.socket(socket.AF_UNIX) as there, running_sshd(short_tmp / "s", lines) as server:
        there.bind(str(short_tmp / "a.sock"))
        there.listen()
        words = ("--json", "--accept-new", "hosts", "add", "rented", *line(server))
        with laptop.start(*words) as child:
            until(server.accepted, 30)
            begun = time.monotonic()
            out, _ = child.communicate(timeout=30)
            took = time.monotonic() - begun
    error = json.loads(out)["error"]
    assert error["code"] == code
    assert said in error["message"] + error["hint"]
    assert took < 3 + 2  # with the end of the program itself, on a busy machine
    assert "rented" in (laptop.config / "hosts.yaml").read_text()


def test_a_line_that_is_not_understood_changes_nothing(laptop: Laptop) -> None:
    done = laptop.run("--json", "hosts", "add", "rented", "--", "ssh", "-W", "a:1", "root@h")
    assert "-W" in str(failure(done, 2)["message"])
    assert not (laptop.config / "hosts.yaml").exists()
