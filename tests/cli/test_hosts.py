"""`gpuws hosts` and `hosts show`: what can be named, how it is reached, which line says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.host.here import home
from tests.cli.test_contract import failure
from tests.support.laptop import Laptop

KEYS = {
    *("hostname", "user", "port", "identity_files", "certificate_files", "proxy_jump"),
    *("proxy_command", "user_known_hosts_files", "strict_host_key_checking", "host_key_alias"),
    *("connect_timeout", "resolver"),
}
CONFIG = """\
Include @/more
Host box *.lan
    HostName real.example
    User ada
    IdentityFile ~/k_%h
    ProxyJump one,ada@two:23
    BatchMode yes
    Compression yes
    UserKnownHostsFile ~/kh
"""
MORE = """\
Host gate
    HostName ::1
    ConnectTimeout 7
    StrictHostKeyChecking no
    ProxyCommand nc %h %p
Host *
    IdentityFile /more
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Laptop]:
    """An ssh configuration of two files and an entry of hosts.yaml."""
    made = Laptop(tmp_path / "l")
    (tmp_path / "more").write_text(MORE)
    (tmp_path / "more").chmod(0o644)
    config = tmp_path / "config"
    config.write_text(CONFIG.replace("@", str(tmp_path), 1))
    made.env["GPUWS_SSH_CONFIG"] = str(config)
    made.hosts("hosts:\n  lab:\n    ssh: eve@box\n    port: 2200\n")
    yield made
    assert not made.keepers(), "it asks no keeper"
    assert not (made.folder / "state").exists(), "it writes nothing"


@pytest.fixture
def without_ssh(desk: Laptop, tmp_path: Path) -> Laptop:
    """The same where no program is called ssh."""
    only = tmp_path / "bin"
    only.mkdir()
    (only / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    desk.env["PATH"] = str(only)
    return desk


def rows(laptop: Laptop, host: str) -> dict[str, list[str]]:
    """Label → words of its lines."""
    found: dict[str, list[str]] = {}
    label = ""
    for line in laptop.ok("hosts", "show", host).out.splitlines()[1:]:
        label = line[2:28].strip() or label
        found.setdefault(label, []).append(" ".join(line[28:].split()))
    return found


def test_every_alias_and_entry_is_listed_with_its_way_and_its_line(
    desk: Laptop, tmp_path: Path
) -> None:
    out = desk.ok("hosts").out.splitlines()
    assert [" ".join(line.split()) for line in out[:3]] == [
        f"gate {_me()}@[::1]:22 via nc ::1 22 {tmp_path}/more:1",
        f"box ada@real.example:22 via one,ada@two:23 {tmp_path}/config:2",
        f"lab eve@real.example:2200 via one,ada@two:23 {desk.config}/hosts.yaml:2",
    ]
    listed = desk.ok("--json", "hosts").data()["hosts"]
    assert [each["host"] for each in listed] == ["gate", "box", "lab"]
    assert listed[1]["proxy_jump"] == ["one", "ada@two:23"]


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def test_a_host_that_cannot_be_used_is_listed_with_the_reason(desk: Laptop, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host bad\n  IdentityFile ${NO_SUCH_THING}/k\nHost good\n")
    out = desk.ok("hosts").out
    assert "bad   cannot be used: " in out and "NO_SUCH_THING" in out
    assert "good" in out
    found = {each["host"]: each for each in desk.ok("--json", "hosts").data()["hosts"]}
    assert found["bad"]["error"]["code"] == "profile-unreadable"


def test_each_setting_is_shown_with_its_line(desk: Laptop, tmp_path: Path) -> None:
    found = rows(desk, "box")
    config, more = tmp_path / "config", tmp_path / "more"
    assert found["hostname"] == [f"real.example {config}:3"]
    assert found["identity files"] == [f"/more {more}:7", f"{home()}/k_real.example {config}:5"]
    assert found["proxy jump"] == [f"one {config}:6", "ada@two:23"]
    assert found["password"] == [f"no {config}:7"], "BatchMode decides it"
    assert found["alive count"] == ["3 default"]
    assert f"not used: Compression yes  {config}:8" in desk.ok("hosts", "show", "box").out


def test_the_command_line_and_hosts_yaml_are_named_as_such(desk: Laptop) -> None:
    lab = rows(desk, "lab")
    entry = f"{desk.config}/hosts.yaml:2"
    assert (lab["user"], lab["port"]) == ([f"eve {entry}"], [f"2200 {entry}"])
    desk.env["GPUWS_PORT"] = "77"
    desk.env["GPUWS_TIMEOUT"] = "3"
    desk.env["GPUWS_ACCEPT_NEW"] = "1"
    lab = rows(desk, "lab")
    assert lab["port"] == ["77 command line"]
    assert lab["connect timeout"] == ["3 command line"]
    assert lab["strict host key checking"] == ["accept-new command line"]
    assert rows(desk, "root@elsewhere")["user"] == ["root command line"]


def test_for_scripts_there_are_twelve_keys_with_everything_expanded(desk: Laptop) -> None:
    found = desk.ok("--json", "hosts", "show", "box").data()
    assert set(found) == KEYS
    assert found["identity_files"] == ["/more", f"{home()}/k_real.example"]
    assert found["user_known_hosts_files"] == [f"{home()}/kh"]
    assert (found["proxy_jump"], found["proxy_command"]) == (["one", "ada@two:23"], None)
    assert (found["connect_timeout"], found["resolver"]) == (None, "ssh")
    gate = desk.ok("--json", "hosts", "show", "gate").data()
    assert (gate["connect_timeout"], gate["strict_host_key_checking"]) == (7, "accept-new")
    assert gate["proxy_command"] == "nc ::1 22"


def test_without_ssh_the_same_is_said_by_the_own_reading(without_ssh: Laptop) -> None:
    own = without_ssh.ok("--json", "hosts", "show", "box").data()
    assert own.pop("resolver") == "own"
    without_ssh.env["PATH"] = os.environ["PATH"]
    by_ssh = without_ssh.ok("--json", "hosts", "show", "box").data()
    assert by_ssh.pop("resolver") == "ssh"
    assert own == by_ssh


def test_what_is_not_understood_without_ssh_is_exit_3_with_feature_and_line(
    without_ssh: Laptop, tmp_path: Path
) -> None:
    (tmp_path / "more").write_text("\nMatch localnetwork 10.0.0.0/8\n  User x\n")
    error = failure(without_ssh.run("--json", "hosts", "show", "box"), 3)
    assert error["code"] == "profile-unsupported"
    message = str(error["message"])
    assert f"{tmp_path}/more:2" in message and "Match localnetwork" in message
    assert error["hint"]


def test_a_mistyped_name_is_told_the_nearest_ones(desk: Laptop) -> None:
    """Row 4 of the fault catalogue; `up` itself ends with unknown-host."""
    assert "did you mean gate?" in desk.ok("hosts", "show", "gaet").err


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "$(id)", "a\nb", "x" * 400])
def test_a_host_that_is_no_host_is_refused(desk: Laptop, host: str) -> None:
    """Row 5 of the fault catalogue."""
    error = failure(desk.run("--json", "hosts", "show", "--", host), 3)
    assert error["code"] == "bad-host-string"


def test_a_missing_ssh_config_is_said_so(desk: Laptop) -> None:
    desk.env["GPUWS_SSH_CONFIG"] = "/no/such/file"
    assert failure(desk.run("--json", "hosts"), 3)["code"] == "profile-unreadable"


def test_nothing_is_connected_to(desk: Laptop) -> None:
    """Every way into the network is a failure in this process."""
    guard = (
        "import socket, json, sys\n"
        "def no(*_, **__): raise SystemExit('the network was used')\n"
        "socket.socket.connect = socket.create_connection = no\n"
        "from gpuws.__main__ import main\n"
        "sys.argv = ['gpuws', '--json', 'hosts', 'show', 'gate']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", guard], env=desk.env, capture_output=True, text=True, timeout=30
    )
    assert json.loads(done.stdout)["ok"], done
