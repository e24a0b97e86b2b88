"""What goes wrong on the way: signals, cut connections, odd hosts. The next `up` converges."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.jupyter_env import jupyter_env
from tests.support.lab import (
    Lab,
    end_sessions,
    prefer_own_port,
    running_lab,
    short_folder,
    tools_without,
)
from tests.support.outside import Notebook, files, listeners, sockets
from tests.support.tmux_package import tmux_channel

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.timeout(240)

# --- what is left, seen from outside -----------------------------------------------------------


def of_sessions(home: Path) -> dict[int, str]:
    """Every process of any session under this HOME: they all carry a nonce and the HOME."""
    mine, found = f"HOME={home}".encode(), {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            nonce = any(each.startswith(b"GPUWS_SESSION=") for each in variables)
            if mine in variables and nonce:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if words:
                    found[int(entry.name)] = words
    return found


def nothing_is_left(lab: Lab, *ports: int) -> None:
    assert of_sessions(lab.home) == {}
    assert sockets(lab.home) == []
    assert [each for each in (lab.root / "run").glob("*/*") if each.exists()] == []
    assert not list(lab.root.glob("workspaces/*/token"))
    for port in ports:
        assert listeners(port) == []
    deadline = time.monotonic() + 6
    while lab.laptop.keepers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert lab.laptop.keepers() == []


def status_code(url: str) -> int:
    try:
        Notebook(url).ask("api/status")
    except urllib.error.HTTPError as error:
        return error.code
    return 200


# --- faults in each stage ----------------------------------------------------------------------

STAGES = {
    "connect": "connecting",
    "probe": "looking at the host",
    "environment": "environment",
    "session": "session",
    "tunnel": "tunnel",
    "ready": "until Ctrl-C",
}


def _signal(number: int) -> Callable[[Lab, subprocess.Popen[str]], None]:
    return lambda lab, process: process.send_signal(number)


def _end_keeper(lab: Lab, process: subprocess.Popen[str]) -> None:
    for pid in lab.laptop.keepers():
        os.kill(pid, signal.SIGKILL)


def _cut(lab: Lab, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 3
    server = psutil.Process(lab.server.pid)
    while not server.children() and time.monotonic() < deadline:
        time.sleep(0.01)
    lab.server.end_sessions()


FAULTS: dict[str, tuple[Callable[[Lab, subprocess.Popen[str]], None], set[int]]] = {
    "SIGINT": (_signal(signal.SIGINT), {130}),
    "SIGTERM": (_signal(signal.SIGTERM), {143}),
    "SIGHUP": (_signal(signal.SIGHUP), {0}),
    "SIGKILL": (_signal(signal.SIGKILL), {-signal.SIGKILL}),
    "the keeper's SIGKILL": (_end_keeper, {6}),
    "a cut connection": (_cut, {6}),
}
"""What is done, and the exit codes of an `up` that was not ready yet."""

SHORT = {
    ("SIGINT", "probe"),
    ("SIGTERM", "connect"),
    ("SIGHUP", "session"),
    ("SIGKILL", "session"),
    ("the keeper's SIGKILL", "tunnel"),
    ("a cut connection", "session"),
}
MATRIX = [
    pytest.param(fault, stage, marks=() if (fault, stage) in SHORT else pytest.mark.endurance)
    for fault, stage in itertools.product(FAULTS, STAGES)
]
_runs = itertools.count()


@pytest.fixture(scope="module")
def shared_desk(jupyter_env: Path, uv_cache: dict[str, str]) -> Iterator[Lab]:
    with short_folder() as folder, running_lab(folder, env=uv_cache) as lab:
        (lab.laptop.project / "environment.yml").unlink()
        yield lab


@pytest.fixture
def desk(shared_desk: Lab) -> Iterator[Lab]:
    """One host for many tests; whatever a failed one has left is ended behind it."""
    yield shared_desk
    if of_sessions(shared_desk.home) or shared_desk.laptop.keepers():
        shared_desk.laptop.end()
        end_sessions(shared_desk.home)
        for each in ("run", "workspaces"):
            shutil.rmtree(shared_desk.root / each, ignore_errors=True)


@pytest.mark.parametrize(("fault", "stage"), MATRIX)
def test_after_a_fault_the_next_up_converges_and_down_leaves_nothing(
    desk: Lab, jupyter_env: Path, fault: str, stage: str
) -> None:
    words = arguments(desk, jupyter_env, stage)
    process = desk.laptop.start("up", "gpubox", "--no-browser", *words)
    seen = read_until(process, STAGES[stage])
    act, codes = FAULTS[fault]
    act(desk, process)
    if fault == "a cut connection" and stage in ("connect", "tunnel", "ready"):
        leave_what_heals(process)  # before a word of the server it is tried again, ready it heals
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    ready = "until Ctrl-C" in seen + err
    assert process.returncode in codes | ({0} if ready else set()), (seen, err)
    if process.returncode == 6:
        assert "next: " in seen + err

    data = desk.laptop.ok("--json", "up", "gpubox", *words).data()
    assert data["session"]["state"] == "running"
    assert status_code(desk.laptop.ok("url").out.strip()) == 200
    gone = desk.laptop.ok("--json", "down", data["workspace"], "--yes").data()
    assert gone["left"] == []
    nothing_is_left(desk, data["local_port"])
    assert desk.laptop.ok("--json", "down", data["workspace"], "--yes").data()["stopped"] == []


def leave_what_heals(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, unless the cut came early enough to end it."""
    deadline = time.monotonic() + 8
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)


def arguments(lab: Lab, prefix: Path, stage: str) -> list[str]:
    """Of an `up` that reaches the stage: only a build has an environment stage."""
    number = next(_runs)
    if stage != "environment":
        return ["--use-env", str(prefix), "--name", f"w{number}"]
    text = f"name: w{number}\ndependencies:\n  - pip\n  - pip:\n      - jupyterlab\n"
    path = lab.laptop.project / f"e{number}.yml"
    path.write_text(f"{text}      - ipykernel\nvariables:\n  ROUND: '{number}'\n")
    return ["-f", str(path)]


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if words in line and not line.startswith("note"):
            return seen
    raise AssertionError(seen)


def test_a_connection_that_drops_while_attached_is_told_and_made_again(
    desk: Lab, jupyter_env: Path
) -> None:
    process = desk.laptop.start("up", "gpubox", "--use-env", str(jupyter_env), "--name", "drops")
    read_until(process, "until Ctrl-C")
    desk.server.stop()
    assert "reconnecting" in read_until(process, "tunnel: last heard")
    desk.server.start()
    read_until(process, "tunnel: open on")
    assert status_code(desk.laptop.ok("url", "gpubox/drops").out.strip()) == 200
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "`gpuws attach gpubox/drops` opens the way again" in out
    desk.laptop.ok("down", "gpubox/drops", "--yes")
    nothing_is_left(desk)


def test_down_of_an_unreachable_host_ends_the_local_side_and_names_what_runs(
    desk: Lab, jupyter_env: Path
) -> None:
    words = ("--use-env", str(jupyter_env), "--name", "far")
    port = desk.laptop.ok("--json", "up", "gpubox", *words).data()["local_port"]
    desk.server.stop()
    try:
        done = desk.laptop.run("down", "gpubox/far", "--yes")
        assert done.code == 6
        assert "gpubox/far" in done.err
        assert "still run" in done.err or "goes on" in done.err
        deadline = time.monotonic() + 6
        while desk.laptop.keepers() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert desk.laptop.keepers() == []
        assert listeners(port) == []
    finally:
        desk.server.start()
    assert desk.laptop.ok("down", "gpubox/far", "--yes").out.startswith("stopped far")
    nothing_is_left(desk, port)


def shown(lab: Lab, name: str) -> dict[str, Any]:
    [host] = lab.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    found: dict[str, Any] = next(each for each in host["workspaces"] if each["name"] == name)
    return found


def test_status_tells_how_long_jupyter_was_idle_and_does_not_wait_for_one_that_hangs(
    desk: Lab, jupyter_env: Path
) -> None:
    desk.laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env), "--name", "idler")
    service = int((desk.root / "workspaces/idler/service").read_text().split()[0])
    Notebook(desk.laptop.ok("url", "gpubox/idler").out.strip()).kernels()  # an activity
    time.sleep(2.1)  # the host's clock is read in whole seconds
    assert 1 <= shown(desk, "idler")["idle_s"] < 60
    os.kill(service, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        hanging = shown(desk, "idler")
        took = time.monotonic() - begun
    finally:
        os.kill(service, signal.SIGCONT)
    assert (hanging["state"], hanging["idle_s"]) == ("running", None)
    assert took < 10
    assert shown(desk, "idler")["idle_s"] >= 1
    desk.laptop.ok("down", "gpubox/idler", "--yes")
    nothing_is_left(desk)


# --- odd hosts ---------------------------------------------------------------------------------

RC_FILES = {
    "bash": ".bashrc",
    "dash": ".profile",
    "fish": ".config/fish/config.fish",
    "tcsh": ".tcshrc",
}


@pytest.mark.parametrize("shell", RC_FILES)
def test_up_exec_and_down_work_with_any_login_shell_and_a_noisy_rc_file(
    short_tmp: Path, jupyter_env: Path, shell: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} on this machine")
    with running_lab(short_tmp, shell=program) as lab:
        rc = lab.home / RC_FILES[shell]
        rc.parent.mkdir(parents=True, exist_ok=True)
        rc.write_text(
            "echo noise\necho more noise >&2\n".replace(">&2", "" if shell == "tcsh" else ">&2")
        )
        use = ("--use-env", str(jupyter_env), "--no-jupyter")
        assert lab.laptop.ok("--json", "up", "gpubox", *use).data()["session"]["state"] == "running"
        told = lab.laptop.ok("exec", "gpubox", "--", "python", "-c", "print('a  b', '$x', '*')")
        assert told.out == "a  b $x *\n"
        lab.laptop.ok("down", "gpubox", "--yes")
        nothing_is_left(lab)


def test_an_rc_file_that_exits_is_told_with_the_file_to_look_at(
    short_tmp: Path, jupyter_env: Path
) -> None:
    with running_lab(short_tmp) as lab:
        (lab.home / ".bashrc").write_text("echo bye\nexit 3\n")
        done = lab.laptop.run("up", "gpubox", "--use-env", str(jupyter_env), timeout=40)
        assert done.code == 7
        assert "Traceback" not in done.err
        assert "bye" in done.err
        assert not lab.root.exists()


def test_a_home_with_spaces_and_umask_000_stays_private(short_tmp: Path, jupyter_env: Path) -> None:
    with running_lab(short_tmp, home="my home") as lab:
        (lab.home / ".bashrc").write_text("umask 000\n")
        data = lab.laptop.ok("--json", "up", "gpubox", "--use-env", str(jupyter_env)).data()
        book = Notebook(lab.laptop.ok("url").out.strip())
        kernel = book.ask("api/kernels", "POST", {"name": "python3", "path": ""})["id"]
        where = book.run(kernel, "import os; print(os.getcwd())")
        assert where == f"{lab.root}/projects/project\n"
        assert [each for each in (lab.root, *lab.root.rglob("*")) if is_open(each)] == []
        assert lab.laptop.ok("exec", "gpubox", "--", "pwd").out == where
        lab.laptop.ok("down", "gpubox", "--yes")
        nothing_is_left(lab, data["local_port"])


def is_open(path: Path) -> bool:
    """Whether others than the owner can read or write it; inside a closed folder nothing is."""
    return path.exists() and not path.is_symlink() and bool(path.stat().st_mode & 0o077)


def test_a_crash_of_jupyter_as_it_starts_is_told_at_once_with_its_log(
    desk: Lab, jupyter_env: Path
) -> None:
    broken = desk.home / ".jupyter/jupyter_server_config.py"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("import sys\nsys.exit('no_such_module_anywhere')\n")
    begun = time.monotonic()
    try:
        use = ("--use-env", str(jupyter_env))
        done = desk.laptop.run("up", "gpubox", "-d", *use, "--name", "crash")
    finally:
        broken.unlink()
    assert done.code == 9
    assert "no_such_module_anywhere" in done.err
    assert time.monotonic() - begun < 60  # Jupyter's own start is most of it
    [host] = desk.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    states = {each["name"]: each["state"] for each in host["workspaces"]}
    assert states["crash"] == "crashed"
    again = desk.laptop.run("attach", "gpubox/crash")
    assert again.code == 11
    assert "gpuws logs" in again.err
    assert "no_such_module_anywhere" in desk.laptop.ok("logs", "gpubox/crash").out
    desk.laptop.ok("down", "gpubox/crash", "--yes")
    nothing_is_left(desk)


# --- promises kept -----------------------------------------------------------------------------


def everything(home: Path) -> set[str]:
    """Files and links below HOME; a folder counts with a slash where it is empty."""
    found = set(files(home))
    found |= {
        f"{path.relative_to(home)}/"
        for path in home.rglob("*")
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    }
    found |= {str(p.relative_to(home)) for p in home.rglob("*") if p.is_socket()}
    return {each for each in found if each}


def test_dry_run_touches_nothing_and_lists_what_up_then_makes(desk: Lab, jupyter_env: Path) -> None:
    compare(desk, "--use-env", str(jupyter_env), "--name", "planned")


def test_dry_run_of_a_build_lists_what_up_then_makes(
    short_tmp: Path, uv_cache: dict[str, str]
) -> None:
    with running_lab(short_tmp, env=uv_cache) as lab:
        compare(lab)


def test_dry_run_on_a_host_without_tmux_lists_the_one_that_up_brings(
    short_tmp: Path, tmp_path: Path, jupyter_env: Path
) -> None:
    channel = tmux_channel(tmp_path / "channel")
    path = tools_without(short_tmp / "bin", "tmux")
    with running_lab(short_tmp, env={"PATH": path}) as lab:
        prefer_own_port(lab.laptop, f"    channels: [{channel.url}]\n")
        compare(lab, "--use-env", str(jupyter_env), "--name", "planned")


def compare(lab: Lab, *words: str) -> None:
    before = everything(lab.home)
    plan = lab.laptop.ok("--json", "up", "gpubox", *words, "--dry-run").data()
    assert everything(lab.home) == before
    assert of_sessions(lab.home) == {}

    lab.laptop.ok("--json", "up", "gpubox", *words)
    after = everything(lab.home)
    made = {f"{lab.home}/{each}" for each in after - before}
    running, listening = of_sessions(lab.home), sockets(lab.home)
    lab.laptop.ok("down", plan["workspace"], "--yes")

    told = [each.partition(" (")[0] for each in plan["files"]]
    whole = tuple(each for each in told if each.endswith("/"))
    unsaid = sorted(each for each in made if each not in told and not each.startswith(whole))
    assert unsaid == []
    there = {f"{lab.home}/{each}" for each in after}
    always = [each for each in plan["files"] if " (" not in each]  # others: while it is built, ...
    assert [each for each in always if not is_made(each, there)] == []
    assert len([each for each in plan["processes"] if "until it is done" not in each]) == 3
    assert any("jupyterlab" in each for each in running.values())
    assert any("tmux" in each for each in running.values())
    assert [each for each in listening if each not in told] == []
    nothing_is_left(lab)


def is_made(told: str, made: set[str]) -> bool:
    return any(each == told or (told.endswith("/") and each.startswith(told)) for each in made)


BUSY = "GPU-8a1c5f52-6f0e-4b9a-9c0d-3f8e2a7b1c4d"
IDLE = "GPU-1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"
SMI = f"""#!/bin/sh
case $* in
--query-gpu=*) printf '%s\\n' '0, {BUSY}, NVIDIA A100, 81920, 70000, 98' \\
  '1, {IDLE}, NVIDIA A100, 81920, 3, 0' ;;
--query-compute-apps=*) : ;;
'') echo 'NVIDIA-SMI 550.54.15  Driver Version: 550.54.15  CUDA Version: 12.4' ;;
*) exit 2 ;;
esac
"""
ENTRY = """\
    prologue: ["export FROM_PROLOGUE='p q'"]
    env: {PLAIN: "a b"}
    pass_env: [API_KEY, NOT_SET_ANYWHERE]
"""
ASK = (
    "import os; print(*(os.environ.get(k) for k in ('CUDA_VISIBLE_DEVICES', 'FROM_PROLOGUE', "
    "'PLAIN', 'API_KEY', 'PYTHONNOUSERSITE')), sep='|')"
)


def test_gpus_prologue_env_and_pass_env_reach_kernels_and_exec(
    short_tmp: Path, jupyter_env: Path
) -> None:
    smi = short_tmp / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(SMI)
    smi.chmod(0o755)
    path = f"{smi.parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin"
    secret = "s3cret" + os.urandom(6).hex()
    with running_lab(short_tmp, env={"PATH": path}) as lab, watched(secret) as seen:
        prefer_own_port(lab.laptop, ENTRY)
        lab.laptop.env["API_KEY"] = secret
        use = ("--use-env", str(jupyter_env))
        before = tree(jupyter_env)
        done = lab.laptop.ok("--json", "up", "gpubox", *use, "--gpus", "1")
        assert done.data()["gpus"] == [1]  # the one that is idle
        assert "NOT_SET_ANYWHERE" in done.err
        book = Notebook(lab.laptop.ok("url").out.strip())
        kernel = book.start_kernel()
        expected = f"{IDLE}|p q|a b|{secret}|1\n"
        assert book.run(kernel, ASK) == expected
        assert book.run(kernel, "import sys; print(sys.prefix)") == f"{jupyter_env}\n"
        told = lab.laptop.ok("exec", "gpubox", "--", "python", "-c", ASK).out
        assert told.split("|")[:4] == expected.split("|")[:4]

        other = lab.laptop.run("--json", "up", "gpubox", *use, "--gpus", "0,")
        assert other.code == 10
        assert "--gpus 0," in other.json()["error"]["message"]
        assert "--restart" in other.json()["error"]["hint"]
        assert book.kernels() == [kernel]

        lab.laptop.ok("down", "gpubox", "--yes")
        assert tree(jupyter_env) == before
        nothing_is_left(lab)
        assert not list(holding(lab.laptop.folder, secret))
        assert not list(holding(lab.root, secret))
    assert seen == []


def tree(prefix: Path) -> dict[str, str]:
    """Without byte code: Python writes that where it imports."""
    return {name: mark for name, mark in files(prefix).items() if "__pycache__" not in name}


def holding(folder: Path, secret: str) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            yield path


@contextlib.contextmanager
def watched(secret: str) -> Iterator[list[str]]:
    """Every command line of this machine, looked through again and again for the secret."""
    import threading

    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    if secret.encode() in entry.read_bytes():
                        seen.append(str(entry))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(5)


def test_without_jupyter_there_is_a_session_and_no_url(desk: Lab, jupyter_env: Path) -> None:
    use = ("--use-env", str(jupyter_env), "--no-jupyter", "--name", "bare")
    data = desk.laptop.ok("--json", "up", "gpubox", *use).data()
    assert (data["url"], data["local_port"]) == ("", 0)
    assert not [each for each in of_sessions(desk.home).values() if "jupyter" in each.split()[0]]
    assert desk.laptop.ok("exec", "gpubox/bare", "--", "echo", "x").out == "x\n"
    for verb in ("url", "attach"):
        done = desk.laptop.run("--json", verb, "gpubox/bare")
        assert done.code == 11
        assert "no Jupyter" in done.json()["error"]["message"]
    again = desk.laptop.ok("--json", "up", "gpubox", *use)
    assert again.data()["environment"]["action"] == "none"
    with_it = desk.laptop.run("--json", "up", "gpubox", *use[:2], "--name", "bare")
    assert with_it.code == 10
    desk.laptop.ok("down", "gpubox/bare", "--yes")
    nothing_is_left(desk)


def test_a_changed_file_builds_beside_and_restart_switches(
    short_tmp: Path, uv_cache: dict[str, str]
) -> None:
    with running_lab(short_tmp, env=uv_cache) as lab:
        text = (lab.laptop.project / "environment.yml").read_text()
        first = lab.laptop.ok("--json", "up", "gpubox").data()["environment"]
        book = Notebook(lab.laptop.ok("url").out.strip())
        kernel = book.start_kernel()
        lab.laptop.write("environment.yml", text + "variables:\n  ADDED: new\n")
        done = lab.laptop.ok("--json", "up", "gpubox")
        assert "--restart" in done.err
        assert book.kernels() == [kernel]
        assert book.run(kernel, "import sys; print(sys.prefix)") == first["prefix"] + "\n"
        prefixes = [each for each in (lab.root / "envs").iterdir() if not each.is_symlink()]
        assert len(prefixes) == 2
        assert (lab.root / "envs/demo").resolve() == Path(first["prefix"])

        switched = lab.laptop.ok("--json", "up", "gpubox", "--restart", "--yes").data()
        second = switched["environment"]
        assert second["action"] == "updated"
        assert second["prefix"] != first["prefix"]
        assert (lab.root / "envs/demo").resolve() == Path(second["prefix"])
        book = Notebook(lab.laptop.ok("url").out.strip())
        assert book.run(book.start_kernel(), "import os; print(os.environ['ADDED'])") == "new\n"
        lab.laptop.ok("down", "gpubox", "--yes")
        nothing_is_left(lab)
