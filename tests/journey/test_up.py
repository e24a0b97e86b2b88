"""The main job on real parts: sshd, tmux, uv, JupyterLab, and gpuws as a process."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
from pathlib import Path

import pytest

from tests.journey.conftest import Lab
from tests.support.outside import Notebook, carriers, files, listeners, sockets

pytestmark = pytest.mark.timeout(240)


def _instance(lab: Lab) -> str:
    import json

    text = (lab.root / "workspaces/demo/workspace.json").read_text()
    found: str = json.loads(text)["instance"]
    return found


def test_a_kernel_survives_the_death_of_the_laptop_side_and_down_leaves_nothing(lab: Lab) -> None:
    before = files(lab.home)
    lab.laptop.ok("up", "gpubox", "-d", "--no-browser")
    nonce = _instance(lab)
    book = Notebook(lab.laptop.ok("url").out.strip())
    kernel = book.start_kernel()
    assert book.run(kernel, "x = 41") == ""
    [keeper] = lab.laptop.keepers()

    os.kill(keeper, signal.SIGKILL)
    time.sleep(0.3)
    answer = lab.laptop.ok("--json", "attach").data()
    again = Notebook(lab.laptop.ok("url").out.strip())

    assert answer["environment"]["action"] == "none"
    assert again.kernels() == [kernel]
    assert again.run(kernel, "print(x + 1)") == "42\n"
    assert carriers(nonce)
    assert sockets(lab.home)

    gone = lab.laptop.ok("--json", "down", "--yes").data()

    assert gone["stopped"] == ["demo"]
    assert gone["left"] == []
    assert carriers(nonce) == {}
    assert sockets(lab.home) == []
    assert listeners(answer["local_port"]) == []
    run_files = {"token", "env.sh", "pid", "service", "endpoint"}
    assert not [path for path in files(lab.root / "workspaces/demo") if path in run_files]
    assert not list((lab.root / "run").glob("*/*"))
    assert not [path for path in before if path not in files(lab.home)]
    for _ in range(40):
        if not lab.laptop.keepers():
            break
        time.sleep(0.1)
    assert lab.laptop.keepers() == []


def lasting(lab: Lab) -> set[int]:
    """The supervisor, Jupyter and the tmux server by their records; others come and go."""
    workspace = lab.root / "workspaces/demo"
    records = [workspace / "pid", workspace / "service", *(lab.root / "run").glob("w-*/tmux.pid")]
    return {int(record.read_text().split()[0]) for record in records}


def test_a_second_up_changes_nothing_and_says_so(lab: Lab) -> None:
    first = lab.laptop.ok("--json", "up", "gpubox").data()
    pids = lasting(lab)
    made = files(lab.root / "envs")
    again = lab.laptop.ok("--json", "up", "gpubox")
    second = again.data()
    assert first["environment"]["action"] == "created"
    assert second["environment"]["action"] == "none"
    assert "nothing changed" in again.err
    assert len(pids) == 3
    assert lasting(lab) == pids
    assert pids <= set(carriers(_instance(lab)))
    assert files(lab.root / "envs") == made
    assert second["url"] == first["url"]


def test_the_address_stays_over_down_and_up_and_only_the_token_changes(lab: Lab) -> None:
    first = lab.laptop.ok("--json", "up", "gpubox").data()
    old = lab.laptop.ok("url").out.strip()
    lab.laptop.ok("down", "--yes")
    second = lab.laptop.ok("--json", "up", "gpubox").data()
    new = lab.laptop.ok("url").out.strip()
    assert second["url"] == first["url"]
    assert second["environment"]["action"] == "reused"
    assert new.partition("?")[0] == old.partition("?")[0]
    assert new != old


def test_without_the_token_nobody_gets_in(lab: Lab) -> None:
    lab.laptop.ok("up", "gpubox", "-d")
    book = Notebook(lab.laptop.ok("url").out.strip())
    assert book.ask("api/status")["kernels"] == 0
    with pytest.raises(urllib.error.HTTPError) as caught:
        book.ask("api/status", token=False)
    assert caught.value.code == 403


def test_a_warm_attach_takes_one_login_and_two_calls(lab: Lab) -> None:
    lab.laptop.ok("up", "gpubox", "-d")
    for pid in lab.laptop.keepers():
        os.kill(pid, signal.SIGKILL)
    logins = lab.server.accepted()
    answer = lab.laptop.ok("--json", "attach").data()
    assert lab.server.accepted() - logins == 1
    assert answer["round_trips"] <= 2


def test_other_verbs_use_the_keepers_login(lab: Lab) -> None:
    lab.laptop.ok("up", "gpubox", "-d")
    logins = lab.server.accepted()
    lab.laptop.ok("url")
    lab.laptop.ok("status")
    assert lab.laptop.ok("exec", "gpubox", "--", "echo", "hello").out == "hello\n"
    assert lab.server.accepted() == logins


def test_another_laptop_attaches_without_any_local_state(lab: Lab, short_tmp: Path) -> None:
    from tests.support.laptop import Laptop

    first = lab.laptop.ok("--json", "up", "gpubox").data()
    other = Laptop(short_tmp / "other", lab.server)
    try:
        second = other.ok("--json", "attach", "gpubox").data()
        assert second["workspace"] == first["workspace"]
        assert second["local_port"] != first["local_port"]  # both laptops are this machine
        assert Notebook(other.ok("url").out.strip()).kernels() == []
    finally:
        other.end()


def test_exec_gives_streams_and_exit_code_of_the_command(lab: Lab) -> None:
    lab.laptop.ok("up", "gpubox", "-d")
    done = lab.laptop.run(
        "exec", "gpubox", "--", "sh", "-c", "cat; echo err >&2; exit 7", stdin="in"
    )
    assert (done.code, done.out, done.err.strip()) == (7, "in", "err")
    where = ("python", "-c", "import sys; print(sys.prefix)")
    prefix = lab.laptop.ok("exec", "gpubox", "--", *where)
    assert prefix.out.startswith(str(lab.root / "envs"))


def test_ctrl_c_after_ready_closes_only_the_tunnel(lab: Lab) -> None:
    process = lab.laptop.start("up", "gpubox")
    assert process.stderr is not None
    for line in process.stderr:
        if "until Ctrl-C" in line:
            break
    nonce = _instance(lab)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "gpuws attach" in out
    assert carriers(nonce)


def test_closing_the_terminal_leaves_the_tunnel_to_the_keeper(lab: Lab) -> None:
    process = lab.laptop.start("up", "gpubox")
    assert process.stderr is not None
    for line in process.stderr:
        if "until Ctrl-C" in line:
            break
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=10)
    time.sleep(1.5)
    assert len(lab.laptop.keepers()) == 1
    assert Notebook(lab.laptop.ok("url").out.strip()).kernels() == []


def test_interrupting_the_build_leaves_it_running_and_the_next_up_joins_it(lab: Lab) -> None:
    process = lab.laptop.start("up", "gpubox")
    assert process.stderr is not None
    for line in process.stderr:
        if "environment" in line and "environment.yml" in line:
            break
    deadline = time.monotonic() + 20
    while not list(lab.root.glob("builds/*/pid")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "goes on there" in err
    data = lab.laptop.ok("--json", "up", "gpubox").data()
    assert data["session"]["state"] == "running"
    assert len(list(lab.root.glob("envs/*/.gpuws-complete"))) == 2  # the prefix and its link


def test_the_token_is_in_no_process_list_log_or_state(lab: Lab) -> None:
    lab.laptop.ok("-vvv", "up", "gpubox", "-d")
    token = lab.laptop.ok("url").out.strip().partition("token=")[2]
    assert len(token) >= 43
    words = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
    )
    assert token.encode() not in words
    for folder in (lab.laptop.folder, lab.home):
        for path in folder.rglob("*"):
            private = path.name == "token" or {"envs", "runtime"} & set(path.parts)
            if path.is_file() and not private:
                assert token.encode() not in path.read_bytes(), path
    # Jupyter itself writes the token into its runtime folder: nobody else may look into that
    assert (lab.root / "workspaces/demo/jupyter/runtime").stat().st_mode & 0o777 == 0o700
    assert (lab.root / "workspaces/demo/token").stat().st_mode & 0o777 == 0o600


def test_the_local_port_listens_on_loopback_only(lab: Lab) -> None:
    port = lab.laptop.ok("--json", "up", "gpubox").data()["local_port"]
    assert listeners(port) == [f"127.0.0.1:{port}"]


def test_down_during_the_build_ends_it_and_leaves_no_half_environment(lab: Lab) -> None:
    lab.laptop.hosts("hosts:\n  gpubox:\n    prologue: 'test -z \"$GPUWS_BUILD\" || sleep 60'\n")
    process = lab.laptop.start("up", "gpubox")
    deadline = time.monotonic() + 30
    while not list(lab.root.glob("builds/*/pid")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    [shown] = lab.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    assert [each["state"] for each in shown["workspaces"]] == ["building"]
    gone = lab.laptop.ok("--json", "down", "gpubox").data()
    assert len(gone["stopped"]) == 1
    assert "build" in gone["stopped"][0]
    assert list(lab.root.glob("envs/*")) == []
    [after] = lab.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    assert after["workspaces"] == []


def test_purge_all_removes_everything_that_gpuws_put_there_and_nothing_else(lab: Lab) -> None:
    (lab.home / "mine.txt").write_text("kept")
    lab.laptop.ok("up", "gpubox", "-d")
    refused = lab.laptop.run("down", "gpubox", "--purge", "--all", "--no-input")
    assert refused.code == 2
    assert lab.root.exists()
    assert " MB" in refused.err
    gone = lab.laptop.ok("--json", "down", "gpubox", "--purge", "--all", "--yes").data()
    assert gone["left"] == []
    assert str(lab.root) in gone["removed"]
    assert [path for path in files(lab.home) if "gpuws" in path] == []
    assert (lab.home / "mine.txt").read_text() == "kept"
