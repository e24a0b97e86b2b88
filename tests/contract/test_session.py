"""A session on this machine: real shells, real tmux, a real JupyterLab; no SSH."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from gpuws.engines.ending import Process, started_by_hand
from gpuws.engines.engine import ENGINES, SETSID, TMUX, Engine
from gpuws.engines.session import (
    enter,
    enter_shell,
    look,
    plan_files,
    read_log,
    stop,
    strays,
    wait_until_running,
)
from gpuws.errors import GpuwsError
from gpuws.plan.model import Workspace
from gpuws.tunnel.http import last_activity
from tests.support.jupyter_env import jupyter_env  # noqa: F401  a fixture
from tests.support.knocking import readiness
from tests.support.local_host import LocalHost
from tests.support.sessions import BASE_URL, Lab, carrying, gone, stand_in

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")

OPENING = """
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 9999
c.ServerApp.token = ""
c.IdentityProvider.token = ""
c.ServerApp.allow_origin = "*"
c.ServerApp.allow_remote_access = True
c.ServerApp.disable_check_xsrf = True
c.ServerApp.sock_mode = "0666"
c.FileContentsManager.delete_to_trash = False
"""
LAB_OPENING = 'c.ServerApp.allow_origin = "*"\nc.IdentityProvider.token = ""\n'
JSON_OPENING = '{"IdentityProvider": {"token": ""}, "NotebookApp": {"allow_origin": "*"}}'


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def engine_there(name: str) -> Engine:
    if name == "tmux" and not shutil.which("tmux"):
        pytest.skip("needs tmux")
    return ENGINES[name]


# --- what a browser would ask ---------------------------------------------------------------------


class Connection(http.client.HTTPConnection):
    def __init__(self, lab: Lab, workspace: Workspace) -> None:
        super().__init__("localhost", timeout=30)
        assert workspace.target
        self._path = workspace.target.socket
        self._port = workspace.target.port

    def connect(self) -> None:
        if self._path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(30)
            self.sock.connect(self._path)
        else:
            self.sock = socket.create_connection(("127.0.0.1", self._port), 30)


class Live:
    """A started workspace and how to talk to it."""

    def __init__(self, lab: Lab, workspace: Workspace) -> None:
        self.lab = lab
        self.workspace = workspace

    def ask(
        self, method: str, path: str, body: object = None, *, token: bool = True, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = Connection(self.lab, self.workspace)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"token {self.lab.token.reveal()}"
        text = json.dumps(body) if body is not None else None
        connection.request(method, BASE_URL + path, text, sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    def json(self, method: str, path: str, body: object = None) -> Any:
        status, _, data = self.ask(method, path, body)
        assert status < 300, (status, data)
        return json.loads(data)

    def socket(self, path: str) -> websocket.WebSocket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.workspace.target.socket if self.workspace.target else "")
        header = [f"Authorization: token {self.lab.token.reveal()}"]
        url = f"ws://localhost{BASE_URL}{path}"
        made: websocket.WebSocket = websocket.create_connection(
            url, socket=sock, header=header, timeout=60
        )
        return made

    def run(self, kernel: str, code: str) -> str:
        """What a cell prints."""
        wire = self.socket(f"api/kernels/{kernel}/channels")
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": "s"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header | {"version": "5.3"}, "parent_header": {}, "metadata": {}}
        wire.send(json.dumps(message | {"content": content, "channel": "shell"}))
        out = ""
        while True:
            told = json.loads(wire.recv())
            if told.get("parent_header", {}).get("msg_id") != number:
                continue
            if told["msg_type"] == "stream":
                out += told["content"]["text"]
            assert told["msg_type"] != "error", told["content"]
            if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                wire.close()
                return out

    def type(self, text: str) -> None:
        """Into a new terminal of JupyterLab."""
        name = self.json("POST", "api/terminals", {})["name"]
        wire = self.socket(f"terminals/websocket/{name}")
        wire.send(json.dumps(["stdin", text]))
        wire.close()


# --- one real JupyterLab for the tests that only look ---------------------------------------------


@pytest.fixture(scope="module")
def live(jupyter_env: Path) -> Iterator[Live]:  # noqa: F811
    """HOME with a space, umask 000, and settings of the user's own that would open the server."""
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="g ", dir="/tmp"))
    settings = home / ".jupyter"
    settings.mkdir()
    (settings / "jupyter_server_config.py").write_text(OPENING)
    (settings / "jupyter_lab_config.py").write_text(LAB_OPENING)
    (settings / "jupyter_server_config.json").write_text(JSON_OPENING)
    theirs = home / ".local/share/jupyter/kernels"
    for name, python in (("python3", "/nowhere/python"), ("mine", "/usr/bin/mine")):
        (theirs / name).mkdir(parents=True)
        spec = {"argv": [python, "{connection_file}"], "display_name": name, "language": "x"}
        (theirs / name / "kernel.json").write_text(json.dumps(spec))
    host = LocalHost(home, env={"SHELL": "/bin/bash", "PYTHONPATH": "/nowhere"})
    engine = TMUX if shutil.which("tmux") else SETSID
    lab = Lab(home, host, str(jupyter_env), engine)
    before = os.umask(0)
    try:
        workspace = lab.start(
            prologue=("export FROM_PROLOGUE='a b'",),
            env=(("DATA", "it's here"),),
            secret_env=(("API_KEY", "k-123"),),
        )
    finally:
        os.umask(before)
    yield Live(lab, workspace)
    stop(host, root=lab.root, name=lab.name)
    assert not carrying(lab.instance)
    shutil.rmtree(home)


def test_with_the_token_it_answers_and_without_it_refuses(live: Live) -> None:
    assert live.ask("GET", "api/status")[0] == 200
    assert live.ask("GET", "api/status", token=False)[0] == 403
    wrong = live.ask("GET", "api/status", token=False, Authorization="token wrong")
    assert wrong[0] == 403
    assert live.ask("GET", "api/status?token=", token=False)[0] == 403


def test_it_proves_to_the_tunnel_that_it_is_ours(live: Live) -> None:
    assert live.workspace.target
    stream = live.lab.host.open_stream(live.workspace.target)
    readiness(stream, BASE_URL, live.lab.token.reveal(), live.lab.instance)
    stream.close()


def test_to_ask_for_the_last_activity_is_no_activity(live: Live) -> None:
    assert live.workspace.target
    live.json("GET", "api/kernels")  # this is one
    stream = live.lab.host.open_stream(live.workspace.target)
    first = last_activity(stream, BASE_URL, live.lab.token.reveal())
    assert abs(time.time() - first) < 60
    time.sleep(0.1)
    assert last_activity(stream, BASE_URL, live.lab.token.reveal()) == first
    stream.close()


def test_every_answer_is_compressed_where_the_browser_can_read_it(live: Live) -> None:
    _, headers, data = live.ask("GET", "lab", Accept_Encoding="gzip")
    assert headers.get("content-encoding") == "gzip"
    assert b"<html" in gzip.decompress(data).lower()


def test_settings_that_would_open_the_server_are_put_aside_and_named(live: Live) -> None:
    _, headers, _ = live.ask("GET", "api/status", Origin="http://evil.example")
    assert "*" not in headers.get("access-control-allow-origin", "")
    cross = live.ask("POST", "api/kernels", {}, token=False, Origin="http://evil.example")
    assert cross[0] in (403, 404)
    assert live.ask("GET", "api/status", Host="evil.example")[0] == 403
    assert live.workspace.target
    assert stat.S_IMODE(Path(live.workspace.target.socket).stat().st_mode) == 0o600
    named = "\n".join(live.lab.told.notes)
    file = f"{live.lab.home}/.jupyter/jupyter_server_config.py"
    for key in ("ServerApp.ip", "IdentityProvider.token", "ServerApp.allow_origin"):
        assert f"{file}: {key}" in named
    assert "jupyter_server_config.json: token" in named
    assert "delete_to_trash" not in named


def test_the_start_file_puts_off_a_grammar_that_still_judges_when_it_is_asked(live: Live) -> None:
    """It relies on names of jsonschema, rfc3987_syntax and jupyterlab.labapp, as they are now."""
    code = """
import sys
file, = sys.argv[1:]
scope = {"__name__": "start", "__file__": file}
exec(compile(open(file).read(), file, "exec"), scope)
scope["put_off"]("rfc3987_syntax", "is_valid_syntax")
import jupyterlab.labapp, jupyter_events, jsonschema
print("lark" in sys.modules, callable(jupyterlab.labapp.main))
check = jsonschema.FormatChecker(formats=["iri"]).conforms
print(check("http://a.example/b", "iri"), check("not an iri", "iri"), "lark" in sys.modules)
"""
    start = live.lab.folder / "jupyter/config/jupyterlab"
    command = [f"{live.lab.prefix}/bin/python", "-c", code, str(start)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.splitlines() == ["False True", "True False True"], done.stderr


def test_the_users_kernels_stay_and_the_default_one_is_the_environment(live: Live) -> None:
    specs = live.json("GET", "api/kernelspecs")
    assert specs["default"] == "python3"
    assert "mine" in specs["kernelspecs"]
    assert specs["kernelspecs"]["python3"]["spec"]["argv"][0] == f"{live.lab.prefix}/bin/python"


def test_a_kernel_is_activated_and_keeps_its_variables(live: Live) -> None:
    kernel = live.json("POST", "api/kernels", {"path": ""})["id"]  # as the browser asks
    live.run(kernel, "kept = 41")
    seen = look(live.lab.host, root=live.lab.root, name="demo")
    assert seen.workspaces[0].state == "running"
    assert live.run(kernel, "print(kept + 1)") == "42\n"
    code = """
import json, os, sys
names = ["VIRTUAL_ENV", "FROM_PROLOGUE", "DATA", "API_KEY", "PYTHONNOUSERSITE", "PYTHONPATH"]
names += ["LANG", "LC_ALL", "GPUWS_SESSION"]
print(json.dumps([sys.prefix, os.getcwd(), *map(os.environ.get, names)]))"""
    found = json.loads(live.run(kernel, code))
    assert found == [
        *(live.lab.prefix, f"{live.lab.root}/projects/demo", live.lab.prefix, "a b"),
        *("it's here", "k-123", "1", None, "C.UTF-8", None, live.lab.instance),
    ]
    assert live.run(kernel, "import os; print(os.environ['PATH'])").startswith(live.lab.prefix)
    live.ask("DELETE", f"api/kernels/{kernel}")


def test_programs_in_a_terminal_are_not_deaf_to_ctrl_c_and_strays_are_found(live: Live) -> None:
    """A shell's background children ignore INT; a session must not hand that down."""
    note = live.lab.home / "typed"
    live.type(f"sleep 321 & echo $! >'{note}'; disown; exit\r")
    until(lambda: note.exists() and note.read_text().strip())
    pid = int(note.read_text())
    until(lambda: _read(Path(f"/proc/{pid}/cmdline")).startswith(b"sleep"))
    assert not deaf(pid)
    kernel = live.json("POST", "api/kernels", {})["id"]
    code = "import subprocess; p = subprocess.Popen(['sleep', '322'])"
    live.run(kernel, code)
    found = strays(live.lab.host, root=live.lab.root, name="demo")
    assert [(each.pid, each.command.strip()) for each in found] == [(pid, "sleep 321")]
    assert abs(found[0].started - time.time()) < 120
    os.kill(pid, signal.SIGKILL)
    live.ask("DELETE", f"api/kernels/{kernel}")


def test_a_second_start_returns_the_one_that_runs(live: Live) -> None:
    before, calls = live.lab.service(), live.lab.host.calls
    again = live.lab.start()
    assert live.lab.host.calls - calls == 1
    assert (again.target, live.lab.service()) == (live.workspace.target, before)
    assert live.ask("GET", "api/status")[0] == 200


def test_the_token_is_in_no_argv_no_log_and_no_pane(live: Live) -> None:
    token = live.lab.token.reveal().encode()
    live.ask("GET", "lab?token=" + live.lab.token.reveal(), token=False)
    assert [p for p in Path("/proc").glob("[0-9]*") if token in _read(p / "cmdline")] == []
    assert [
        p for p in carrying(live.lab.instance) if token in _read(Path(f"/proc/{p}/environ"))
    ] == []
    holders = [p for p in live.lab.folder.rglob("*") if p.is_file() and token in p.read_bytes()]
    allowed = {"token"}
    assert {p.name for p in holders if "runtime" not in p.parts} == allowed
    if live.lab.engine == TMUX:
        tmux = ["tmux", "-S", str(live.lab.run / "tmux.sock")]
        pane = subprocess.run([*tmux, "capture-pane", "-p", "-t", f"={live.lab.run.name}:"])
        assert pane.returncode == 0
        for words in (
            ["capture-pane", "-p", "-t", f"={live.lab.run.name}:"],
            ["show-environment", "-g"],
        ):
            shown = subprocess.run([*tmux, *words], capture_output=True)
            assert token not in shown.stdout
            assert b"k-123" not in shown.stdout


def deaf(pid: int) -> bool:
    """Whether it ignores INT or QUIT."""
    found = re.search(r"SigIgn:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return not found or int(found[1], 16) & 0b110 != 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_everything_written_is_for_the_owner_alone_even_under_umask_000(live: Live) -> None:
    places = [live.lab.folder, live.lab.run, Path(live.lab.root), live.lab.run.parent]
    inside = [p for place in places[:2] for p in place.rglob("*")]
    wrong = [
        str(p)
        for p in (*places, *inside)
        if not p.is_symlink() and p.stat().st_mode & 0o077 and p.name != "jpserver-open.html"
    ]
    assert [p for p in wrong if not re.search(r"jpserver-\d+-open.html$", p)] == []


def test_what_dry_run_lists_is_what_is_there(live: Live) -> None:
    lab = live.lab
    listed = plan_files(
        lab.root, lab.name, str(lab.run), f"{lab.root}/projects/demo", True, lab.engine.name
    )
    made = {str(p) for p in (*lab.folder.rglob("*"), *lab.run.rglob("*")) if not p.is_dir()}
    made = {re.sub(r"/lock\.\d+$", "/lock.1", path) for path in made}
    folders = tuple(each for each in listed if each.endswith("/"))
    assert {path for path in made if not path.startswith(folders)} <= set(listed)
    assert [
        p for p in listed if not p.endswith(("/", "/.gpuws-root", "/lock.1")) and p not in made
    ] == []


def test_exec_runs_in_the_environment_and_keeps_streams_and_status(live: Live) -> None:
    program, args = enter(live.lab.root, live.workspace, ("sh", "-c", "cat; echo $DATA; exit 7"))
    done = subprocess.run(
        ["sh", "-c", program.text, "sh", *args], input=b"typed\n", capture_output=True
    )
    assert (done.stdout, done.returncode) == (b"typed\nit's here\n", 7), done.stderr


@pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")
def test_a_terminal_opens_inside_tmux_and_its_end_leaves_the_session(live: Live) -> None:
    pexpect = pytest.importorskip("pexpect")
    program, args = enter_shell(live.lab.root, live.workspace)
    env = {**os.environ, "TERM": "xterm", "SHELL": "/bin/bash", "HOME": str(live.lab.home)}
    env.pop("TMUX", None)
    child = pexpect.spawn("sh", ["-c", program.text, "sh", *args], env=env, timeout=30)
    child.sendline("echo at:$PWD:$VIRTUAL_ENV:$TMUX")
    child.expect_exact(f"at:{live.lab.root}/projects/demo:")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    assert live.ask("GET", "api/status")[0] == 200


# --- the whole life, with each engine -------------------------------------------------------------


def test_over_loopback_the_real_jupyterlab_is_found_by_its_own_run_file(
    jupyter_env: Path,  # noqa: F811
    short_tmp: Path,
) -> None:
    lab = Lab(short_tmp, LocalHost(short_tmp), str(jupyter_env), SETSID, socket=False)
    live = Live(lab, lab.start())
    try:
        assert live.workspace.target and live.workspace.target.port > 1023
        assert live.ask("GET", "api/status")[0] == 200
        assert live.ask("GET", "api/status", token=False)[0] == 403
        kernel = live.json("POST", "api/kernels", {})["id"]
        assert kernel
    finally:
        done = stop(lab.host, root=lab.root, name="demo")
    assert (done.stopped, done.left) == (True, ())
    assert not carrying(lab.instance)


def quick(engine: Engine, folder: Path) -> Iterator[Lab]:
    """A stand-in for JupyterLab that is there at once."""
    home = folder / "my home"
    home.mkdir()
    host = LocalHost(home, env={"SHELL": "/bin/sh"})
    made = Lab(home, host, str(stand_in(folder / "env")), engine)
    yield made
    for pid in carrying(made.instance):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=sorted(ENGINES))
def lab(request: pytest.FixtureRequest, short_tmp: Path) -> Iterator[Lab]:
    yield from quick(engine_there(request.param), short_tmp)


@pytest.fixture
def plain(short_tmp: Path) -> Iterator[Lab]:
    """For what no engine has a part in."""
    yield from quick(SETSID, short_tmp)


def state(lab: Lab) -> str:
    return look(lab.host, root=lab.root).workspaces[0].state


def test_start_is_one_call_and_the_workspace_tells_where_it_answers(lab: Lab) -> None:
    workspace = lab.start()
    assert lab.host.calls == 1
    assert workspace.state == "running"
    assert workspace.target and workspace.target.socket == str(lab.run / "jupyter.sock")
    assert abs(workspace.since - time.time()) < 60


def beside(folder: Path, **scripts: str) -> str:
    """A PATH with these scripts in front of this machine's programs."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def told(lab: Lab, short_tmp: Path) -> Lab:
    """What would end the wait of `start`, if nobody told it, takes 15 s here instead of one."""
    longer = f'shift; exec {shutil.which("timeout")} 15 "$@"'
    path = beside(short_tmp / "bin", timeout=longer)
    lab.host = LocalHost(lab.home, env={"SHELL": "/bin/sh", "PATH": path})
    return lab


def test_start_goes_on_as_soon_as_the_supervisor_tells_of_an_answer(told: Lab) -> None:
    begin = time.monotonic()
    assert told.start().state == "running"
    assert time.monotonic() - begin < 10
    assert not (told.run / "told").exists()


def test_start_goes_on_as_soon_as_the_supervisor_tells_of_the_end(told: Lab) -> None:
    shutil.rmtree(told.prefix)
    stand_in(Path(told.prefix), before="sleep 0.5; exit 3")
    begin = time.monotonic()
    with pytest.raises(GpuwsError, match="ended as it started"):
        told.start()
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("broken", ["mkfifo", "timeout"])
def test_where_it_cannot_be_told_it_looks(lab: Lab, short_tmp: Path, broken: str) -> None:
    shutil.rmtree(lab.prefix)
    stand_in(Path(lab.prefix), before="sleep 1")
    path = beside(short_tmp / "bin", **{broken: "echo usage >&2; exit 1"})
    lab.host = LocalHost(lab.home, env={"SHELL": "/bin/sh", "PATH": path})
    assert lab.start().state == "running"
    assert lab.host.calls == 1


def test_a_supervisor_that_is_killed_before_anything_answers_is_noticed(lab: Lab) -> None:
    shutil.rmtree(lab.prefix)
    stand_in(Path(lab.prefix), before="kill -9 $PPID; exit 3")
    begin = time.monotonic()
    with pytest.raises(GpuwsError) as caught:
        lab.start()
    assert caught.value.code == "jupyter-crashed"
    assert time.monotonic() - begin < 8
    until(lambda: carrying(lab.instance) == [])


def test_folders_that_others_could_read_are_closed_at_the_next_start(plain: Lab) -> None:
    plain.start()
    stop(plain.host, root=plain.root, name="demo")
    plain.folder.chmod(0o755)
    plain.start()
    assert stat.S_IMODE(plain.folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(plain: Lab) -> None:
    plain.folder.mkdir(parents=True, mode=0o700)
    Path(plain.root).chmod(0o700)
    (plain.folder / "jupyter").write_text("a file")
    with pytest.raises(GpuwsError, match=f"{plain.folder}/jupyter$") as caught:
        plain.start()
    assert caught.value.code == "no-root-folder"


def test_the_service_hears_ctrl_c_whatever_started_it(lab: Lab) -> None:
    lab.start()
    assert not deaf(lab.service())


def test_attach_needs_nothing_but_the_host(plain: Lab) -> None:
    plain.start()
    seen = look(plain.host, name="demo")
    assert (seen.root, seen.workspaces[0].state) == (plain.root, "running")
    assert seen.tokens == {"demo": plain.token}
    assert look(plain.host, name="other").tokens == {}


def test_a_root_elsewhere_is_remembered_in_home(lab: Lab, short_tmp: Path) -> None:
    elsewhere = short_tmp / "volume"
    root = f"{elsewhere}/ws"
    elsewhere.mkdir()
    run = f"{root}/run/w-12345678"
    lab.start(root=root, record=lab.record(run=run, jupyter=False), launch=None)
    seen = look(lab.host)
    assert (seen.root, seen.workspaces[0].state) == (root, "running")
    assert stop(lab.host, root=root, name="demo").left == ()


def test_stop_leaves_nothing_and_says_what_it_keeps(lab: Lab) -> None:
    lab.start(launch=lab.launch())
    kept = Path(lab.root, "projects", "demo", "work.ipynb")
    kept.write_text("mine")
    done = stop(lab.host, root=lab.root, name="demo")
    assert (done.stopped, done.left) == (True, ())
    assert carrying(lab.instance) == []
    listening = subprocess.run(["ss", "-xlp"], capture_output=True, text=True).stdout
    assert str(lab.run) not in listening
    assert not lab.run.exists()
    files = {p.name for p in lab.folder.rglob("*") if not p.name.startswith("lock.")}
    assert files == {"workspace.json", "jupyter.log", "exit"}
    assert kept.read_text() == "mine"
    assert f"{lab.root}/projects/demo" in done.kept
    assert state(lab) == "stopped"


def test_stop_twice_and_stop_of_what_never_was_are_no_errors(lab: Lab) -> None:
    assert not stop(lab.host, root=lab.root, name="demo").stopped
    lab.start()
    assert stop(lab.host, root=lab.root, name="demo").stopped
    again = stop(lab.host, root=lab.root, name="demo")
    assert (again.stopped, again.left) == (False, ())


def test_after_stop_it_starts_again(lab: Lab) -> None:
    lab.start()
    stop(lab.host, root=lab.root, name="demo")
    assert lab.start().state == "running"


def test_purge_removes_the_workspace_and_its_own_project_folder(plain: Lab) -> None:
    plain.start()
    stop(plain.host, root=plain.root, name="demo", purge=True)
    assert not plain.folder.exists()
    assert not Path(plain.root, "projects", "demo").exists()
    assert Path(plain.prefix).exists()


def test_a_project_folder_elsewhere_is_never_purged(plain: Lab, short_tmp: Path) -> None:
    mine = short_tmp / "mine"
    mine.mkdir()
    plain.start(dir=str(mine), record=plain.record(dir=str(mine)))
    done = stop(plain.host, root=plain.root, name="demo", purge=True)
    assert mine.is_dir()
    assert str(mine) in done.kept


def test_the_link_to_the_environment_is_swapped_not_followed(plain: Lab) -> None:
    envs = Path(plain.root, "envs")
    envs.mkdir(parents=True, mode=0o700)
    Path(plain.root).chmod(0o700)
    for digest in ("a" * 16, "b" * 16):
        plain.prefix = str(stand_in(envs / digest))
        plain.start()
        assert (envs / "demo").readlink() == Path(digest)
        stop(plain.host, root=plain.root, name="demo")
    assert sorted(p.name for p in (envs / ("a" * 16)).iterdir()) == ["bin", "server.py"]


def test_a_killed_jupyter_is_a_crash_and_start_works_again(lab: Lab) -> None:
    lab.start()
    os.kill(lab.service(), signal.SIGKILL)
    until(lambda: state(lab) == "crashed")
    assert lab.start().state == "running"
    assert state(lab) == "running"


def test_a_killed_supervisor_leaves_no_second_jupyter_behind(lab: Lab) -> None:
    lab.start()
    first = lab.service()
    os.kill(int((lab.folder / "pid").read_text().split()[0]), signal.SIGKILL)
    until(lambda: state(lab) == "crashed")
    lab.start()
    assert gone(first)
    assert lab.service() != first


def test_jupyter_that_is_shut_down_from_its_menu_has_stopped(lab: Lab) -> None:
    lab.start()
    os.kill(lab.service(), signal.SIGTERM)
    until(lambda: state(lab) != "running")
    assert state(lab) == "stopped"


def test_a_record_of_another_boot_means_rebooted(lab: Lab) -> None:
    lab.start()
    for pid in carrying(lab.instance):
        with contextlib.suppress(ProcessLookupError):  # it ended with the one before
            os.kill(pid, signal.SIGKILL)
    (lab.folder / "exit").unlink(missing_ok=True)
    lab.rewrite(boot_id="00000000-0000-0000-0000-000000000000")
    seen = look(lab.host, root=lab.root)
    assert seen.workspaces[0].state == "rebooted"
    assert seen.workspaces[0].since == pytest.approx(seen.boot_time, abs=2)
    assert lab.start().state == "running"


def test_a_reboot_after_down_is_still_stopped(plain: Lab) -> None:
    plain.start()
    stop(plain.host, root=plain.root, name="demo")
    plain.rewrite(boot_id="00000000-0000-0000-0000-000000000000")
    assert state(plain) == "stopped"


def test_a_session_on_another_node_is_not_started_twice_nor_ended(plain: Lab) -> None:
    plain.start()
    plain.rewrite(node="gpu07")
    for act in (plain.start, lambda: stop(plain.host, root=plain.root, name="demo")):
        with pytest.raises(GpuwsError, match="gpu07") as caught:
            act()
        assert caught.value.code == "locked"
    with pytest.raises(GpuwsError, match="gpu07"):
        seen = look(plain.host, root=plain.root).workspaces[0]
        wait_until_running(plain.host, seen, plain.told, root=plain.root)


def test_a_crash_at_start_is_told_at_once_with_the_log_and_without_the_token(lab: Lab) -> None:
    shutil.rmtree(lab.prefix)
    before = f'echo "no such library: libfoo {lab.token.reveal()}"; exit 3'
    stand_in(Path(lab.prefix), before=before)
    with pytest.raises(GpuwsError) as caught:
        lab.start()
    took = time.time() - float((lab.folder / "exit").read_text().split()[2])
    assert took < 5
    assert caught.value.code == "jupyter-crashed"
    assert "no such library: libfoo •••" in caught.value.detail
    assert state(lab) == "crashed"
    assert stop(lab.host, root=lab.root, name="demo").left == ()


def test_an_environment_without_jupyterlab_is_named(short_tmp: Path) -> None:
    prefix = short_tmp / "env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    (prefix / "bin" / "python").chmod(0o755)
    lab = Lab(short_tmp, LocalHost(short_tmp), str(prefix), SETSID)
    with pytest.raises(GpuwsError) as caught:
        lab.start()
    assert caught.value.code == "jupyter-missing"


def test_an_environment_that_is_gone_is_named_before_anything_is_made(short_tmp: Path) -> None:
    lab = Lab(short_tmp, LocalHost(short_tmp), str(short_tmp / "none"), SETSID)
    with pytest.raises(GpuwsError) as caught:
        lab.start()
    assert caught.value.code == "environment-not-found"
    assert not Path(lab.root).exists()


def test_a_slow_start_shows_its_log_and_is_waited_for(short_tmp: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gpuws.engines.session._PATIENCE", 1)
    prefix = stand_in(short_tmp / "env", before="echo loading modules; sleep 2")
    lab = Lab(short_tmp, LocalHost(short_tmp), str(prefix), SETSID)
    assert lab.start().state == "running"
    assert "loading modules" in lab.told.lines
    stop(lab.host, root=lab.root, name="demo")


def test_a_start_that_takes_too_long_goes_on_and_says_so(short_tmp: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gpuws.engines.session._PATIENCE", 1)
    prefix = stand_in(short_tmp / "env", before="sleep 60")
    lab = Lab(short_tmp, LocalHost(short_tmp), str(prefix), SETSID)
    with pytest.raises(GpuwsError) as caught:
        lab.start_within(1.0)
    assert (caught.value.code, caught.value.retryable) == ("jupyter-timeout", True)
    assert state(lab) == "starting"
    assert stop(lab.host, root=lab.root, name="demo").left == ()
    assert carrying(lab.instance) == []


def test_without_jupyter_there_is_a_session_and_no_address(lab: Lab) -> None:
    workspace = lab.start(launch=None, record=lab.record(jupyter=False))
    assert (workspace.state, workspace.target) == ("running", None)
    assert wait_until_running(lab.host, workspace, lab.told) == workspace
    assert stop(lab.host, root=lab.root, name="demo").stopped
    assert carrying(lab.instance) == []


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")])
def test_the_whole_life_under_every_shell_that_a_host_may_have(
    plain: Lab, shell: tuple[str, ...]
) -> None:
    found = shutil.which(shell[0])
    if not found:
        pytest.skip(f"needs {shell[0]}")
    plain.host = LocalHost(plain.home, shell=(found, *shell[1:]))
    assert plain.start().state == "running"
    assert plain.start().state == "running"
    assert look(plain.host).tokens == {"demo": plain.token}
    assert strays(plain.host, root=plain.root, name="demo") == ()
    assert "serving" in read_log(plain.host, root=plain.root, name="demo", offset=0, tail=0).text
    done = stop(plain.host, root=plain.root, name="demo", purge=True)
    assert (done.stopped, done.left) == (True, ())


# --- programs of the user's -----------------------------------------------------------------------


def nohup(lab: Lab) -> int:
    """A program that somebody started in a terminal of the workspace that is closed by now."""
    env = {**os.environ, "GPUWS_SESSION": lab.instance}
    words = ["sh", "-c", "nohup sleep 300 >/dev/null 2>&1 & echo $!"]
    return int(subprocess.run(words, env=env, capture_output=True, text=True).stdout)


def test_a_nohup_program_is_a_stray_and_ends_with_the_session(lab: Lab) -> None:
    lab.start()
    pid = nohup(lab)
    assert [each.pid for each in strays(lab.host, root=lab.root, name="demo")] == [pid]
    assert stop(lab.host, root=lab.root, name="demo").left == ()
    assert gone(pid)


def test_keep_running_leaves_it_and_the_next_start_does_too(lab: Lab) -> None:
    lab.start()
    pid = nohup(lab)
    done = stop(lab.host, root=lab.root, name="demo", keep_running=True)
    assert not gone(pid)
    assert done.left == ()
    assert any(each.startswith(f"process {pid}: sleep 300") for each in done.kept)
    lab.start()
    assert not gone(pid)


P = Process
BROUGHT = "/home/my own/gpuws/tools/tmux/bin/tmux"


@pytest.mark.parametrize(
    ("process", "by_hand"),
    [
        (P(10, 1, 10, 34816, 1, "sh session.sh"), False),  # the supervisor
        (P(11, 10, 10, 34816, 2, "sh session.sh"), False),  # its watch
        (P(12, 11, 10, 34816, 3, "sleep 5"), False),
        (P(20, 10, 10, 34816, 4, "python -m jupyterlab"), False),
        (P(30, 20, 30, 0, 5, "python -m ipykernel_launcher"), False),
        (P(31, 30, 30, 0, 6, "python worker.py"), False),  # a kernel's own
        (P(40, 20, 40, 34817, 7, "/bin/bash"), False),  # a terminal, idle
        (P(41, 40, 40, 34817, 8, "vim notes"), True),
        (P(42, 1, 42, 0, 9, "python train.py"), True),  # setsid
        (P(43, 42, 42, 0, 10, "python train.py"), True),  # and its child
        (P(50, 1, 50, 0, 11, "tmux -S /r/tmux.sock -f /dev/null new-session -d"), False),
        (P(50, 1, 50, 0, 11, f"{BROUGHT} -S /r/tmux.sock -f /dev/null new-session -d"), False),
        (P(51, 50, 51, 34818, 12, "bash"), False),  # a terminal of `gpuws shell`
        (P(52, 51, 51, 34818, 13, "make"), True),
    ],
)
def test_who_was_started_by_hand(process: Process, by_hand: bool) -> None:
    others = [
        P(10, 1, 10, 34816, 1, "sh session.sh"),
        P(11, 10, 10, 34816, 2, "sh session.sh"),
        P(20, 10, 10, 34816, 4, "python -m jupyterlab"),
        P(30, 20, 30, 0, 5, "python -m ipykernel_launcher"),
        P(40, 20, 40, 34817, 7, "/bin/bash"),
        P(42, 1, 42, 0, 9, "python train.py"),
        P(50, 1, 50, 0, 11, "tmux -S /r/tmux.sock -f /dev/null new-session -d"),
        P(51, 50, 51, 34818, 12, "bash"),
    ]
    every = [each for each in others if each.pid != process.pid] + [process]
    assert (process in started_by_hand(every, 20, 10)) is by_hand


# --- forged and broken state ----------------------------------------------------------------------


def tree(folder: Path) -> list[str]:
    return sorted(str(p) for p in folder.rglob("*"))


@pytest.mark.parametrize(
    "run", ["/", "{home}", "{home}/other/w-12345678", "{home}/link", "../x", ""]
)
def test_a_forged_run_folder_is_left_alone(plain: Lab, run: str) -> None:
    plain.start()
    other = plain.home / "other" / "w-12345678"
    other.mkdir(parents=True, mode=0o700)
    (other / "tmux.sock").write_text("not ours")
    (other / "workspace").write_text("/somewhere/else\n")
    (plain.home / "link").symlink_to(other)
    plain.rewrite(run=run.format(home=plain.home))
    before = tree(plain.home / "other")
    stop(plain.host, root=plain.root, name="demo")
    assert tree(plain.home / "other") == before
    assert (plain.home / "link").is_symlink()
    assert carrying(plain.instance) == []


def test_numbers_in_forged_files_never_end_a_foreign_process(plain: Lab) -> None:
    plain.start()
    other = subprocess.Popen(["sleep", "60"])
    try:
        fields = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for name in ("pid", "service"):
            (plain.folder / name).write_text(f"{other.pid} {fields[19]} {boot}\n")
        plain.rewrite(instance="0" * 32)
        stop(plain.host, root=plain.root, name="demo")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("what", ["workspaces", "workspaces/demo"])
def test_folders_that_are_links_are_refused(plain: Lab, what: str) -> None:
    target = plain.home / "elsewhere"
    target.mkdir()
    (target / "keep").write_text("me")
    place = Path(plain.root, what)
    place.parent.mkdir(parents=True, mode=0o700)
    Path(plain.root).chmod(0o700)
    place.symlink_to(target)
    (Path(plain.root) / ".gpuws-root").touch()
    with pytest.raises(GpuwsError) as caught:
        plain.start()
    assert caught.value.code == "root-not-private"
    if what == "workspaces/demo":
        with pytest.raises(GpuwsError) as caught:
            stop(plain.host, root=plain.root, name="demo", purge=True)
        assert caught.value.code == "not-ours"
    assert [p.name for p in target.iterdir()] == ["keep"]


def test_a_root_that_others_can_write_in_is_refused(plain: Lab) -> None:
    Path(plain.root).mkdir()
    Path(plain.root).chmod(0o777)
    with pytest.raises(GpuwsError, match="others can write") as caught:
        plain.start()
    assert caught.value.code == "root-not-private"


@pytest.mark.parametrize("name", ["../demo", "", ".", "a/b", "$(id)", "-rf"])
def test_names_that_are_paths_or_options_reach_nothing(plain: Lab, name: str) -> None:
    plain.start()
    before = tree(plain.home)
    try:
        stop(plain.host, root=plain.root, name=name, purge=True)
    except GpuwsError as error:
        assert error.code == "bad-name"
    assert tree(plain.home) == before


@pytest.mark.parametrize("text", ["", "{", "\0", "[]", '{"schema":1,"run":7,"instance":null}\n'])
def test_a_broken_record_breaks_no_look_and_no_stop(plain: Lab, text: str) -> None:
    plain.start()
    (plain.folder / "workspace.json").write_text(text)
    look(plain.host, root=plain.root)
    stop(plain.host, root=plain.root, name="demo")


def test_racing_starts_make_one_session(lab: Lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: lab.start(), range(3)))
    assert {each.state for each in found} == {"running"}
    servers = [
        p for p in carrying(lab.instance) if b"server.py" in _read(Path(f"/proc/{p}/cmdline"))
    ]
    assert servers == [lab.service()]


# --- logs -----------------------------------------------------------------------------------------


def test_the_log_is_read_from_where_it_was_left_and_after_it_was_begun_anew(plain: Lab) -> None:
    plain.start()
    log = plain.folder / "jupyter.log"
    log.write_text("".join(f"line {n}\n" for n in range(5)) + "half")

    def read(offset: int, tail: int = 2) -> tuple[str, int]:
        part = read_log(plain.host, root=plain.root, name="demo", offset=offset, tail=tail)
        return part.text, part.offset

    text, offset = read(0)
    assert (text.splitlines()[-1], offset) == ("line 4", 35)
    assert read(35) == ("", 35)
    with log.open("a") as file:
        file.write(" and half\tü\n")
    assert read(35) == ("half and half\tü\n", 35 + len("half and half\tü\n".encode()))
    assert read(-1)[0] == "line 4\nhalf and half\tü\n"
    log.write_text("anew\n")
    assert read(35) == ("anew\n", 5)


def built(lab: Lab, digest: str, name: str, log: str) -> None:
    """What a build leaves behind that was wanted by a workspace of that name."""
    folder = Path(lab.root, "builds", digest)
    folder.mkdir(parents=True)
    (folder / "build.log").write_text(log)
    (folder / f"wanted-{name}").touch()
    time.sleep(0.01)  # the next one is newer


def test_a_builds_log_is_that_of_the_newest_that_was_wanted_by_that_name(plain: Lab) -> None:
    def read(name: str) -> str:
        return read_log(plain.host, root=plain.root, name=name, offset=-1, tail=9, build=True).text

    plain.start(record=plain.record(prefix=f"{plain.root}/envs/00aa"))
    built(plain, "00aa", "other", "of the workspace\n")
    assert read("demo") == "of the workspace\n"
    built(plain, "00bb", "demo", "failed first\n")
    built(plain, "00cc", "demo", "failed last\n")
    built(plain, "00dd", "demo2", "of another\n")
    assert read("demo") == "failed last\n"
    assert read("demo2") == read("") == "of another\n"
    with pytest.raises(GpuwsError, match="can be called"):
        read("*")
    plain.rewrite(prefix=f"{plain.root}/envs/00aa")
    assert read("demo") == "of the workspace\n"


@pytest.mark.parametrize(
    ("name", "code"), [("", "no-workspace"), ("nobody", "workspace-not-found")]
)
def test_a_build_that_never_was_has_no_log(plain: Lab, name: str, code: str) -> None:
    plain.start()
    with pytest.raises(GpuwsError) as caught:
        read_log(plain.host, root=plain.root, name=name, offset=-1, tail=9, build=True)
    assert caught.value.code == code


def test_an_environment_of_the_users_own_has_no_build(plain: Lab) -> None:
    plain.start()
    with pytest.raises(GpuwsError) as caught:
        read_log(plain.host, root=plain.root, name="demo", offset=-1, tail=9, build=True)
    assert caught.value.code == "environment-not-found"


def test_the_log_on_the_host_is_capped(plain: Lab) -> None:
    plain.start()
    log = plain.folder / "jupyter.log"
    with log.open("a") as file:
        file.write("x" * 5_000_100)
    until(lambda: (plain.folder / "jupyter.log.1").exists() and log.stat().st_size < 1000)
    assert (plain.folder / "jupyter.log.1").stat().st_size > 5_000_000
