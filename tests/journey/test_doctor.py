"""`gpuws doctor` against a real sshd: the way there, what it forbids, nothing that is written."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gpuws.plan.doctor.table import HOST
from tests.support.doctoring import Findings, Outside, of_config, outside, snapshot
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.sshd import ALIAS, Sshd, free_port, make_key, running_sshd
from tests.support.two_hosts import OTHER, other_host

STEPS = [check.id for check in HOST[:8]]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside(tmp_path_factory.mktemp("outside")) as made:
        yield made


@pytest.fixture(scope="module")
def place(out: Outside) -> Iterator[Lab]:
    """One host for every test that only looks at it."""
    with short_folder() as folder:
        tmp = folder / "tmp"
        tmp.mkdir()
        with running_lab(folder, env={"TMPDIR": str(tmp)}) as lab:
            lab.laptop.hosts(out.yaml(ALIAS))
            yield lab


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """A server of the host's on a Unix socket."""
    path.parent.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield


# --- what a server forbids ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "tcp", "streams", "code"),
    [
        ("", "ok", "ok", 0),
        ("AllowTcpForwarding no", "problem", "problem", 13),
        ("PermitOpen none", "problem", "problem", 13),
        ("DisableForwarding yes", "problem", "problem", 13),
        ("AllowStreamLocalForwarding no", "ok", "advice", 0),
        ("PermitOpen 127.0.0.1:1", "ok", "advice", 0),
    ],
)
def test_forwards_are_tried_through_the_connection(
    line: str, tcp: str, streams: str, code: int, short_tmp: Path, out: Outside
) -> None:
    """OpenSSH refuses Unix sockets wherever it refuses some ports."""
    home = short_tmp / "h"
    with (
        running_sshd(short_tmp / "s", line.splitlines(), home=home) as server,
        listening(home / "gpuws" / "run" / "s"),
    ):
        found = of_config(server.config, out.entry)
    told = (found.verdict("forwarding-refused"), found.verdict("socket-forwarding-refused"))
    assert (told, found.exit) == ((tcp, streams), code)


def test_behind_a_command_of_the_server_channels_are_still_tried(
    short_tmp: Path, out: Outside
) -> None:
    with running_sshd(short_tmp / "s", ["ForceCommand echo hello", "PermitOpen none"]) as server:
        found = of_config(server.config, out.entry)
    assert (found["remote-shell"].id, found.exit) == ("remote-shell", 7)
    assert "hello" in found["remote-shell"].seen and "ForceCommand" in found["remote-shell"].fix
    assert found.verdict("forwarding-refused") == "warning"
    assert found["disk-full"].seen == "not reached"


@pytest.mark.parametrize(("rc", "verdict"), [("echo noise", "advice"), ("true", "ok")])
def test_a_start_up_file_that_prints_is_told(
    rc: str, verdict: str, short_tmp: Path, out: Outside
) -> None:
    (short_tmp / "h").mkdir()
    (short_tmp / "h" / ".bashrc").write_text(f"{rc}\n")
    server_of = running_sshd(short_tmp / "s", home=short_tmp / "h", shell="/bin/bash")
    with server_of as server:
        found = of_config(server.config, out.entry)
    assert found.verdict("noisy-shell") == verdict
    assert found.verdict("remote-shell") == "ok"


def test_a_server_that_takes_passwords_is_told(short_tmp: Path, out: Outside) -> None:
    with running_sshd(short_tmp / "s", ["PasswordAuthentication yes"]) as server:
        assert of_config(server.config, out.entry).verdict("password-login") == "advice"


# --- the way there --------------------------------------------------------------------------------


def ended(found: Findings, at: str, code: str, exit_: int) -> None:
    """The steps before it are fine, those after it were not reached."""
    step = STEPS.index(at)
    verdicts = [found.verdict(each) for each in STEPS]
    assert verdicts == ["ok"] * step + ["problem"] + ["unknown"] * (len(STEPS) - step - 1)
    assert (found[at].id, found.exit) == (code, exit_)
    assert found[at].fix


def unknown_key(server: Sshd) -> None:
    server.known_hosts.write_text("")


def changed_key(server: Sshd) -> None:
    other = make_key(server.folder / "other_host_key").with_suffix(".pub").read_text()
    where = server.host_key_line().split()[0]
    server.known_hosts.write_text(f"{where} {' '.join(other.split()[:2])}\n")


def no_right_key(server: Sshd) -> None:
    server.authorized_keys.write_text("")


def nobody_there(server: Sshd) -> None:
    server.config.write_text(server.config_block().replace(f"{server.port}", f"{free_port()}"))


def no_such_file(server: Sshd) -> None:
    server.config.write_text("NoSuchKeyword yes\n")


@pytest.mark.parametrize(
    ("spoil", "at", "code", "exit_"),
    [
        (no_such_file, "profile-unreadable", "profile-unreadable", 3),
        (nobody_there, "connection-refused", "connection-refused", 6),
        (unknown_key, "host-key-unknown", "host-key-unknown", 5),
        (changed_key, "host-key-unknown", "host-key-changed", 5),
        (no_right_key, "authentication-failed", "authentication-failed", 4),
    ],
)
def test_an_error_on_the_way_is_the_step_that_failed(
    spoil: Callable[[Sshd], None], at: str, code: str, exit_: int, short_tmp: Path, out: Outside
) -> None:
    with running_sshd(short_tmp / "s") as server:
        spoil(server)
        ended(of_config(server.config, out.entry), at, code, exit_)


def test_an_error_at_a_jump_host_is_the_jump_that_failed(place: Lab, out: Outside) -> None:
    """Whatever it is there, nothing is said of the host behind."""
    with short_folder() as folder, other_host(place, folder, "h2", {}) as other:
        config = folder / "config"
        behind = other.server.config_block() + f"    ProxyJump {ALIAS}\n"
        config.write_text(place.server.config_block() + behind)
        assert of_config(config, out.entry, OTHER).exit == 0
        known = place.server.known_hosts.read_text()
        place.server.known_hosts.write_text("")
        try:
            found = of_config(config, out.entry, OTHER)
        finally:
            place.server.known_hosts.write_text(known)
            place.server.config.write_text(place.server.config_block())
    ended(found, "jump-failed", "host-key-unknown", 5)
    assert ALIAS in found["jump-failed"].seen


def test_weak_and_bare_keys_are_advice(short_tmp: Path, out: Outside) -> None:
    with running_sshd(short_tmp / "s") as server:
        weak = make_key(server.folder / "weak", "rsa", "-b", "2048")
        server.config.write_text(f'{server.config_block()}    IdentityFile "{weak}"\n')
        found = of_config(server.config, out.entry)
    assert found.verdict("weak-key") == found.verdict("bare-key") == "advice"
    assert f"{weak} (RSA of 2048 bits)" in found["weak-key"].seen
    assert str(server.user_key) not in found["weak-key"].seen


def test_checks_that_the_user_switched_off_are_told(short_tmp: Path, out: Outside) -> None:
    lines = ["StrictHostKeyChecking no"]
    with running_sshd(short_tmp / "s", client_lines=lines) as server:
        assert of_config(server.config, out.entry).verdict("unchecked-host-key") == "advice"


# --- the command ----------------------------------------------------------------------------------


def test_neither_the_host_nor_the_laptop_is_written_to(place: Lab) -> None:
    """Row 145. Also where the command is told as JSON: one document, every finding with a fix."""
    for name in ("gpuws/workspaces/w", "gpuws/envs", "gpuws/run", ".cache", ".ssh"):
        (place.home / name).mkdir(parents=True, mode=0o700, exist_ok=True)
    server = place.server
    watched = (place.home, place.home.parent / "tmp", place.laptop.folder)
    ours = (server.known_hosts, server.config, server.authorized_keys)
    before = snapshot(*watched, *ours)
    done = place.laptop.run("--json", "doctor", ALIAS)
    assert snapshot(*watched, *ours) == before
    data = done.data()
    assert [each["docs"].rpartition("#")[2] for each in data["checks"]] == [c.id for c in HOST]
    for each in data["checks"]:
        assert set(each) == {"id", "title", "verdict", "seen", "fix", "docs"}
        assert bool(each["fix"]) == (each["verdict"] in ("problem", "warning", "advice"))
    assert done.code == data["exit"] == 0


def test_the_only_line_written_is_the_host_key_that_was_accepted(place: Lab) -> None:
    known = place.server.known_hosts
    line = known.read_text()
    known.write_text("")
    try:
        done = place.laptop.run("doctor", ALIAS, "--no-input")
        assert (done.code, known.read_text()) == (5, "")
        assert done.out.startswith("PROBLEM  host key")
        before = snapshot(place.laptop.folder)
        assert place.laptop.run("doctor", ALIAS, "--accept-new").code == 0
        assert known.read_text() == line
        assert snapshot(place.laptop.folder) == before
    finally:
        known.write_text(line)


def test_without_a_host_the_laptop_is_looked_at(place: Lab) -> None:
    before = snapshot(place.laptop.folder)
    done = place.laptop.run("doctor")
    assert done.code == 0, done
    assert done.out.splitlines()[-1].startswith("this laptop: ")
    assert snapshot(place.laptop.folder) == before
    good = (place.laptop.config / "hosts.yaml").read_text()
    try:
        place.laptop.hosts("hosts:\n  gpubox:\n    gpu: 2\n")
        done = place.laptop.run("doctor", "--json")
    finally:
        place.laptop.hosts(good)
    checks = {each["id"]: each for each in json.loads(done.out)["data"]["checks"]}
    assert (done.code, checks["hosts-file-invalid"]["verdict"]) == (3, "problem")
    assert ":3" in checks["hosts-file-invalid"]["seen"]
