"""The demo's private SSH server, both kinds, asked by the real ssh client."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from gpuws.host.connect import connect
from gpuws.host.demo_server import EMBEDDED, SSHD, DemoServer, demo_server
from gpuws.host.profile import resolve
from gpuws.host.script import fields, script
from gpuws.plan.model import Target

KINDS = (SSHD, EMBEDDED)

pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="needs the ssh client")


def find_sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:/sbin")


@pytest.fixture(scope="module")
def sshd_says(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Why the real sshd cannot serve here; empty where it can."""
    folder = tmp_path_factory.mktemp("probe")
    with demo_server(folder / "ssh", folder / "home") as server:
        return server.note


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, sshd_says: str) -> str:
    if request.param == SSHD and not find_sshd():
        pytest.skip("needs OpenSSH's sshd")
    if request.param == SSHD and sshd_says and os.geteuid() != 0:
        pytest.skip(f"needs an sshd that serves this user: {sshd_says}")
    return str(request.param)


@pytest.fixture
def place(short_tmp: Path) -> Path:
    return short_tmp / "a b"  # a space, as in many a HOME


@pytest.fixture
def server(kind: str, place: Path) -> Iterator[DemoServer]:
    with demo_server(place / "ssh", place / "home", embedded=kind == EMBEDDED) as running:
        assert running.kind == kind, running.note
        yield running


def ssh(server: DemoServer, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh", "-F", str(server.ssh_config), *words],
        input=stdin,
        capture_output=True,
        timeout=20,
    )


# --- logins ---------------------------------------------------------------------------------------


def test_ssh_logs_in_with_the_servers_own_config(server: DemoServer) -> None:
    done = ssh(server, server.alias, "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_command_has_its_streams_and_its_exit_code(server: DemoServer) -> None:
    done = ssh(server, server.alias, "cat; echo wrong >&2; exit 7", stdin=b"a\0b" * 50_000)
    assert done.stdout == b"a\0b" * 50_000
    assert (done.returncode, done.stderr) == (7, b"wrong\n")


def test_a_script_can_be_sent_on_stdin(server: DemoServer) -> None:
    done = ssh(server, server.alias, "exec /bin/sh -s", stdin=b"echo one\nexit 3\n")
    assert (done.returncode, done.stdout) == (3, b"one\n")


def test_home_is_the_folder_given_and_not_the_users_own(server: DemoServer, place: Path) -> None:
    done = ssh(server, server.alias, "echo $HOME")
    assert done.stdout.decode().strip() == str(place / "home")


def test_settings_of_the_package_index_are_kept_and_caches_are_not(
    kind: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", 'http://127.0.0.1:1/"it\'s $HOME"\\')
    monkeypatch.setenv("PIP_CACHE_DIR", "/nowhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for a host")
    with demo_server(place / "ssh", place / "home", embedded=kind == EMBEDDED) as server:
        seen = ssh(server, server.alias, "env").stdout.decode().splitlines()
        assert server.kind == kind, server.note
    assert 'PIP_INDEX_URL=http://127.0.0.1:1/"it\'s $HOME"\\' in seen
    assert not [line for line in seen if line.startswith(("PIP_CACHE_DIR", "AWS_"))]


def test_a_terminal_is_one(server: DemoServer) -> None:
    done = ssh(server, "-tt", server.alias, "test -t 0 && test -t 1 && tty && echo $TERM; exit 4")
    assert done.returncode == 4
    assert b"/dev/" in done.stdout


def test_a_terminal_has_job_control(server: DemoServer) -> None:
    done = ssh(server, "-tt", server.alias, "sh -c 'echo ready; echo deep >/dev/tty'")
    assert b"ready\r\ndeep\r\n" in done.stdout


def test_another_key_does_not_get_in(server: DemoServer, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    config = server.ssh_config.read_text().replace(str(server.ssh_config.with_name("user_key")), "")
    server.ssh_config.write_text(config.replace('IdentityFile ""', f"IdentityFile {other}"))
    done = ssh(server, server.alias, "true")
    assert done.returncode == 255
    assert b"Permission denied (publickey)" in done.stderr


def test_it_listens_on_loopback_only(server: DemoServer) -> None:
    assert {ip for ip, port in listeners() if port == server.port} == {"127.0.0.1"}


def listeners() -> set[tuple[str, int]]:
    """Addresses of this process and its children, some of which may end meanwhile."""
    found = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add((connection.laddr.ip, connection.laddr.port))
    return found


class Silent:
    """Progress and Ask for a login that needs neither."""

    def stage(self, name: str, detail: str = "") -> None: ...
    def line(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def advise(self, about: str, *lines: str) -> None: ...

    def secret(self, prompt: str) -> str:
        raise AssertionError(prompt)

    def text(self, prompt: str) -> str:
        raise AssertionError(prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        raise AssertionError(question, flag)

    def touch(self, what: str) -> None:
        raise AssertionError(what)


def test_gpuws_itself_logs_in_runs_a_script_uploads_and_opens_a_stream(
    server: DemoServer, place: Path, short_tmp: Path
) -> None:
    host = connect(resolve(server.alias, ssh_config=server.ssh_config), Silent(), Silent())
    try:
        hello = 'main() { say home "$HOME"; say word "$1"; }\nmain "$@" </dev/null\n'
        library = script("gpuws.host", "lib.sh")
        reply = host.run(replace(library, text=library.text + hello), "it's")
        assert fields(reply) == {"home": [str(place / "home")], "word": ["it's"]}
        host.upload(b"\0data" * 100_000, str(place / "home" / "file"))
        assert (place / "home" / "file").read_bytes() == b"\0data" * 100_000
        with web(str(short_tmp / "s")):
            stream = host.open_stream(Target(socket=str(short_tmp / "s")))
            stream.sendall(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
            assert b"".join(iter(lambda: stream.recv(4096), b"")).endswith(b"\r\n\r\ncba")
            stream.close()
    finally:
        host.close()


# --- forwards -------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, format: str, *args: object) -> None:
        return


class OnSocket(http.server.ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)


@contextmanager
def web(address: object) -> Iterator[http.server.ThreadingHTTPServer]:
    made = OnSocket if isinstance(address, str) else http.server.ThreadingHTTPServer
    server = made(address, Handler)  # type: ignore[arg-type]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def forwarded(server: DemoServer, target: str) -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    words = ["-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:{target}"]
    process = subprocess.Popen(["ssh", "-F", str(server.ssh_config), *words, server.alias])
    try:
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def reversed_through(port: int, body: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/", body)
    return connection.getresponse().read()


def test_a_forward_reaches_a_unix_socket(server: DemoServer, short_tmp: Path) -> None:
    body = os.urandom(3_000_000)
    with web(str(short_tmp / "s")), forwarded(server, str(short_tmp / "s")) as port:
        assert reversed_through(port, body) == body[::-1]


def test_a_forward_reaches_a_loopback_port(server: DemoServer) -> None:
    body = os.urandom(3_000_000)
    with (
        web(("127.0.0.1", 0)) as target,
        forwarded(server, f"127.0.0.1:{target.server_address[1]}") as port,
    ):
        assert reversed_through(port, body) == body[::-1]


def test_an_end_of_input_passes_a_forward_alone(server: DemoServer, short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_tmp / "s"))
        listener.listen()
        with (
            forwarded(server, str(short_tmp / "s")) as port,
            socket.create_connection(("127.0.0.1", port), 10) as near,
        ):
            near.sendall(b"question")
            near.shutdown(socket.SHUT_WR)
            assert answer_after_eof(listener) == b"question"
            assert near.recv(100) == b"answer"


def test_an_end_of_output_passes_a_forward_alone(server: DemoServer, short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_tmp / "s"))
        listener.listen()
        with (
            forwarded(server, str(short_tmp / "s")) as port,
            socket.create_connection(("127.0.0.1", port), 10) as near,
        ):
            near.sendall(b"first")
            with that_says(listener, b"first") as far:
                far.sendall(b"all there is")
                far.shutdown(socket.SHUT_WR)
                assert [near.recv(100), near.recv(100)] == [b"all there is", b""]
                near.sendall(b"thanks")
                assert far.recv(100) == b"thanks"


def that_says(listener: socket.socket, word: bytes) -> socket.socket:
    """The connection on which this arrives; the waiting loop of ``forwarded`` has made others."""
    listener.settimeout(10)
    while True:
        far, _ = listener.accept()
        far.settimeout(10)
        if far.recv(100) == word:
            return far
        far.close()


def answer_after_eof(listener: socket.socket) -> bytes:
    """The waiting loop of ``forwarded`` has left empty connections in front of ours."""
    listener.settimeout(10)
    heard = b""
    while not heard:
        far, _ = listener.accept()
        with far:
            far.settimeout(10)
            while part := far.recv(100):
                heard += part
            if heard:
                far.sendall(b"answer")
    return heard


def test_the_embedded_server_forwards_to_loopback_only(place: Path) -> None:
    with demo_server(place / "ssh", place / "home", embedded=True) as server:
        done = ssh(server, "-W", "192.0.2.1:80", server.alias)
    assert b"administratively prohibited" in done.stderr


def test_twenty_logins_at_once(server: DemoServer) -> None:
    running = [
        subprocess.Popen(
            ["ssh", "-F", str(server.ssh_config), server.alias, f"echo {number}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        for number in range(20)
    ]
    said = [process.communicate(timeout=40)[0] for process in running]
    assert said == [f"{number}\n".encode() for number in range(20)]


# --- nothing is left ------------------------------------------------------------------------------


def only_connected(server: DemoServer, place: Path) -> subprocess.Popen[bytes]:
    """A login that runs nothing (ssh -N): its process on the other side carries no mark."""
    log = place / "ssh.log"
    command = ["ssh", "-F", str(server.ssh_config), "-N", "-v", "-E", str(log), server.alias]
    process = subprocess.Popen(command)
    for _ in range(200):
        if log.exists() and "Entering interactive session" in log.read_text():
            return process
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_leaving_ends_what_the_logins_started_and_removes_its_files(kind: str, place: Path) -> None:
    with demo_server(place / "ssh", place / "home", embedded=kind == EMBEDDED) as server:
        done = ssh(server, server.alias, "sleep 300 >/dev/null 2>&1 </dev/null & echo $!")
        daemon = psutil.Process(int(done.stdout))
        command = ["ssh", "-F", str(server.ssh_config), server.alias]
        waiting = [subprocess.Popen([*command, "cat"]), only_connected(server, place)]
        assert daemon.is_running()
    assert [process.wait(10) for process in waiting] != [0, 0]
    assert not daemon.is_running() or daemon.status() == psutil.STATUS_ZOMBIE
    assert list((place / "ssh").iterdir()) == []
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", server.port)) != 0


def test_files_that_were_there_before_stay(place: Path) -> None:
    (place / "ssh").mkdir(parents=True)
    (place / "ssh" / "mine").write_text("keep")
    with demo_server(place / "ssh", place / "home", embedded=True):
        pass
    assert [path.name for path in (place / "ssh").iterdir()] == ["mine"]


KILLED = """
import sys, time
from pathlib import Path
from gpuws.host.demo_server import demo_server
with demo_server(Path(sys.argv[1], "ssh"), Path(sys.argv[1], "home")) as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", [SSHD], indirect=True)
def test_sshd_ends_when_the_demo_is_killed(kind: str, place: Path) -> None:
    demo = subprocess.Popen([sys.executable, "-c", KILLED, place], stdout=subprocess.PIPE)
    assert demo.stdout is not None
    port = int(demo.stdout.readline())
    demo.send_signal(signal.SIGKILL)
    demo.wait(10)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd still answers")


def test_an_sshd_that_does_not_let_us_in_is_replaced_and_the_reason_is_told(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "sshd"
    fake.write_text("#!/bin/sh\necho 'Bad configuration option: SetEnv' >&2\nexit 255\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with demo_server(place / "ssh", place / "home") as server:
        assert server.kind == EMBEDDED
        assert "Bad configuration option" in server.note
        assert ssh(server, server.alias, "true").returncode == 0
