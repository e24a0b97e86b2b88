"""Closed pipes, no HOME, narrow and plain terminals, folders that cannot be written."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.lab import Lab
from tests.support.laptop import Laptop

GPUWS = [sys.executable, "-m", "gpuws"]


def shell(laptop: Laptop, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``line`` in sh, where $gpuws is the command."""
    return subprocess.run(
        ["sh", "-c", f'gpuws() {{ "{sys.executable}" -m gpuws "$@"; }}\n{line}'],
        cwd=laptop.project,
        env={**laptop.env, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def calm(done: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "fault of gpuws" not in done.stderr


# --- closed streams -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["--help", "up --help", "--version", "--json nosuch", "--json url gpubox", "status gpubox"],
)
def test_a_reader_that_goes_away_is_no_fault(laptop: Laptop, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*GPUWS, *words.split()],
        cwd=laptop.project,
        env=laptop.env,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    calm(done)
    assert done.returncode in (0, 2, 6), done


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_from_the_start(laptop: Laptop, closed: str) -> None:
    done = shell(laptop, f"gpuws --json url gpubox {closed}")
    calm(done)
    assert done.returncode == 6, done


def test_following_a_log_ends_with_its_reader(box: Lab) -> None:
    done = shell(box.laptop, "gpuws logs -f | head -n 1")
    calm(done)
    assert done.stdout.count("\n") == 1
    assert done.returncode == 0


def test_a_full_disk_for_stdout_is_told(laptop: Laptop) -> None:
    done = shell(laptop, "gpuws --help >/dev/full")
    calm(done)
    assert done.returncode != 0


# --- environment --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["status gpubox", "url gpubox"])
def test_without_home(laptop: Laptop, verb: str) -> None:
    for folder in ("CONFIG", "STATE", "CACHE"):
        del laptop.env[f"GPUWS_{folder}_DIR"]
    laptop.env["XDG_STATE_HOME"] = str(laptop.folder / "state")
    laptop.env["XDG_CONFIG_HOME"] = str(laptop.folder / "config")
    done = shell(laptop, f"unset HOME; gpuws {verb}")
    calm(done)
    assert done.returncode == 6


PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}


def test_a_terminal_without_unicode_gets_ascii(laptop: Laptop) -> None:
    laptop.write("environment.yml", "name: demo\ndependencies:\n  - é\n")
    for words in ("--help", "up --help", "status", f"url {'x' * 400}", "up gpubox"):
        done = shell(laptop, f"gpuws {words}", **PLAIN, COLUMNS="20", TERM="dumb")
        calm(done)
        assert (done.stdout + done.stderr).isascii()


def test_help_fits_a_narrow_terminal(laptop: Laptop) -> None:
    told = shell(laptop, "gpuws up --help", COLUMNS="40").stdout
    assert "--use-env" in told


# --- folders of the laptop ----------------------------------------------------------------------


def obeying_modes() -> list[str]:
    """In front of a command: root, too, may then write only where the mode bits say so."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(("verb", "code"), [("attach", 2), ("status", 0), ("url", 11)])
def test_a_state_folder_that_cannot_be_written(
    alone: Lab, tmp_path: Path, verb: str, code: int
) -> None:
    """Only a verb that has something to write there needs it."""
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    done = subprocess.run(
        [*obeying_modes(), *GPUWS, verb, "gpubox"],
        cwd=alone.laptop.project,
        env={**alone.laptop.env, "GPUWS_STATE_DIR": str(state)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    calm(done)
    assert done.returncode == code, done
    if code == 2:
        assert str(state) in done.stderr
        assert "GPUWS_STATE_DIR" in done.stderr


def test_an_address_book_that_became_read_only_costs_nothing(alone: Lab, tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "run").mkdir(parents=True, mode=0o700)
    (state / "logs").mkdir(mode=0o700)
    state.chmod(0o500)
    env = {**alone.laptop.env, "GPUWS_STATE_DIR": str(state)}
    try:
        for words in (["attach", "-d", "gpubox"], ["status", "gpubox"]):
            done = subprocess.run(
                [*obeying_modes(), *GPUWS, *words],
                cwd=alone.laptop.project,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            calm(done)
            assert done.returncode == 0, done
    finally:
        end_keepers_of(state)


def end_keepers_of(state: Path) -> None:
    mark = f"GPUWS_STATE_DIR={state}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGTERM)
        except OSError:
            continue


@pytest.mark.parametrize("text", ["", "{", "[]", '{"workspaces": 3}', '{"workspaces": [{}]}'])
def test_a_damaged_address_book_is_set_aside(laptop: Laptop, text: str) -> None:
    state = laptop.folder / "state"
    state.mkdir()
    (state / "workspaces.json").write_text(text)
    assert laptop.ok("--json", "status").data() == {"hosts": []}


# --- a host that cannot be reached --------------------------------------------------------------


def test_status_of_a_silent_host_has_the_last_known_state_within_3_seconds(
    box: Lab, tmp_path: Path
) -> None:
    box.laptop.ok("status", "gpubox")
    config = tmp_path / "ssh_config"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = box.server.config.read_text()
        config.write_text(text.replace(f"Port {box.server.port}", f"Port {port}"))
        options = ("--json", "--ssh-config", str(config))
        begun = time.monotonic()
        done = box.laptop.run(*options, "status", "gpubox", timeout=20)
        took = time.monotonic() - begun
        told = box.laptop.run(*options[1:], "status", "gpubox", timeout=20).out
    assert done.code == 6
    [host] = done.data()["hosts"]
    assert host["reachable"] is False
    assert host["error"]
    assert 0 <= host["known_s"] < 600
    assert [each["name"] for each in host["workspaces"]] == ["project"]
    assert [each["state"] for each in host["workspaces"]] == ["running"]
    assert took < 12, took  # 2.5 s of patience, beside a ConnectTimeout of 15
    assert "last known" in told


def test_status_does_not_wait_for_a_connection_that_went_silent(
    box: Lab, tmp_path: Path, short_tmp: Path
) -> None:
    """The keeper's connection looks alive: the laptop has lost its network a moment ago."""
    laptop = Laptop(short_tmp / "l")
    config = tmp_path / "ssh_config"
    laptop.env["GPUWS_SSH_CONFIG"] = str(config)
    with FaultProxy(("127.0.0.1", box.server.port)) as proxy:
        text = box.server.config.read_text()
        text = text.replace(
            f"Port {box.server.port}", f"Port {proxy.port}\n    HostKeyAlias gpubox"
        )
        config.write_text(text.replace(str(box.server.known_hosts), str(tmp_path / "known")))
        (tmp_path / "known").write_text("gpubox " + box.server.host_key_line().split(" ", 1)[1])
        try:
            laptop.ok("attach", "-d", "gpubox")
            proxy.stalled = True
            time.sleep(1.0)
            begun = time.monotonic()
            done = laptop.run("--json", "status", "gpubox", timeout=30)
            took = time.monotonic() - begun
        finally:
            laptop.end()
    [host] = done.data()["hosts"]
    assert host["reachable"] is False
    assert [each["name"] for each in host["workspaces"]] == ["project"]
    assert took < 12, took


def test_one_of_two_hosts_that_fails_is_exit_20(box: Lab) -> None:
    done = box.laptop.run("--json", "status", "gpubox", "nobody@127.0.0.1:1")
    assert done.code == 20
    assert [host["reachable"] for host in done.data()["hosts"]] == [True, False]


# --- a real terminal ----------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [20, 80])
def test_the_panel_is_left_with_q_and_says_how_to_come_back(box: Lab, columns: int) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", "attach", "gpubox"],
        cwd=str(box.laptop.project),
        env={**box.laptop.env, "TERM": "xterm", "NO_COLOR": "1"},
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=30,
    )
    child.expect("leave" if columns == 80 else "gpubox")
    time.sleep(1.0)
    child.send("q")
    child.expect(pexpect.EOF)
    told = child.before or ""
    child.close()
    assert child.exitstatus == 0
    flat = re.sub(r"\s+", " ", told)
    assert "gpuws attach" in flat
    assert "Traceback" not in flat
    assert not re.search(r"\x1b\[[\d;]*3[0-7]m", told)


def test_ctrl_c_before_it_is_ready_is_exit_130(laptop: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = laptop.start("-p", str(silent.getsockname()[1]), "attach", "gpubox")
        assert process.stderr is not None
        assert "connecting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "goes on" in err or "interrupted" in err


def test_sigterm_before_it_is_ready_is_exit_143(laptop: Laptop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = laptop.start("-p", str(silent.getsockname()[1]), "attach", "gpubox")
        assert process.stderr is not None
        assert "connecting" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    assert process.returncode == 143
    assert "Traceback" not in err
