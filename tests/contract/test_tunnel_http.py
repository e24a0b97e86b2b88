"""Asking Jupyter over a stream: strict with what comes, bounded in time and size."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.openssh.sockets import SocketStream
from gpuws.plan.model import Target
from gpuws.tunnel.http import (
    Kernel,
    busy_kernels,
    kernels,
    last_activity,
    terminals,
)
from gpuws.tunnel.http1 import Answers, BadAnswer, Response, ask, request
from tests.support.far_end import short_folder
from tests.support.jupyter_env import jupyter_env  # noqa: F401  a fixture
from tests.support.knocking import readiness
from tests.support.local_host import LocalHost

INSTANCE = "0123456789abcdef0123456789abcdef"
TOKEN = "f00d" * 16
BASE = "/w-00112233/"


def answered(*parts: bytes) -> Response:
    """What is made of these bytes, sent as they are and ended."""
    near, far = socket.socketpair()
    with far:
        for part in parts:
            far.sendall(part)
        far.shutdown(socket.SHUT_WR)
        return Answers(SocketStream(near), 5).read()


# --- the protocol ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
            b"hello!",
        ),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
    ],
)
def test_every_way_to_say_how_long_an_answer_is(raw: bytes, body: bytes) -> None:
    assert answered(raw).body == body


def test_an_answer_that_comes_byte_by_byte_is_the_same() -> None:
    raw = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nhi"
    whole = answered(raw)
    assert whole == Response(200, {"x-a": "1, 2", "content-length": "2"}, b"hi")
    near, far = socket.socketpair()
    with far:

        def drip() -> None:
            for byte in raw:
                far.sendall(bytes([byte]))

        threading.Thread(target=drip, daemon=True).start()
        assert Answers(SocketStream(near), 5).read() == whole


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 11000 + b"\r\n",
    ],
)
def test_an_answer_that_is_not_quite_http_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        answered(raw)


BLOCK = b"x" * 65536


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"", BLOCK),
        (b"HTTP/1.1 200 OK\r\nX: ", BLOCK),
        (b"HTTP/1.1 200 OK\r\n\r\n", BLOCK),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n%b\r\n" % BLOCK),
    ],
    ids=["all", "head", "body", "chunks"],
)
def test_a_flood_is_cut_off(head: bytes, block: bytes) -> None:
    near, far = socket.socketpair()
    sent = [0]

    def flood() -> None:
        try:
            far.sendall(head)
            while sent[0] < 64 << 20:
                far.sendall(block)
                sent[0] += len(block)
        except OSError:
            pass

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    with pytest.raises(BadAnswer):
        Answers(SocketStream(near), 10).read()
    SocketStream(near).close()
    thread.join()
    far.close()
    assert sent[0] < 4 << 20


def test_a_slow_drip_does_not_outlive_the_deadline() -> None:
    near, far = socket.socketpair()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            far.sendall(b"x")

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        Answers(SocketStream(near), 0.4).read()
    assert time.monotonic() - begin < 1
    stop.set()
    thread.join()
    far.close()
    near.close()


@pytest.mark.parametrize("word", ["/a b", "/a\r\nX: y", "/ä", ""])
def test_nothing_breaks_out_of_the_request_line(word: str) -> None:
    with pytest.raises(ValueError, match="not fit"):
        ask("GET", word)
    with pytest.raises(ValueError, match="not fit") as refusal:
        ask("GET", "/", token=f"secret{word}\n")
    assert "secret" not in str(refusal.value)


# --- Jupyter's side, as a stand-in that checks the token ------------------------------------------


class Stand(BaseHTTPRequestHandler):
    """Answers as jupyter_server 2.21 was seen to: keep-alive, JSON, 403 without the token."""

    protocol_version = "HTTP/1.1"
    instance, token, wants_token, status = INSTANCE, TOKEN, True, 200
    lists: dict[str, object] = {}  # noqa: RUF012 - replaced, never changed

    def do_GET(self) -> None:
        right = self.headers.get("Authorization") == f"token {self.token}"
        name = self.path.removeprefix(BASE + "api/")
        if self.headers.get("Host") != "localhost" or (self.wants_token and not right):
            self._say(403, {"message": "Forbidden"})
        elif name == "status":
            self._say(self.status, self.lists.get(name, {"kernels": 0}))
        elif name in self.lists:
            self._say(200, self.lists[name])
        else:
            self._say(404, {"message": "Not Found"})

    def _say(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("X-Gpuws-Instance", self.instance)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return None


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True


@contextmanager
def stand(**changes: object) -> Iterator[SocketStream]:
    """A stream to a Jupyter whose class attributes are changed so."""
    with short_folder() as folder:
        path = folder / "j"
        server = _Server(str(path), type("Changed", (Stand,), changes))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        stream = LocalHost(folder).open_stream(Target(str(path)))
        assert isinstance(stream, SocketStream)
        try:
            yield stream
        finally:
            stream.close()
            server.shutdown()
            thread.join()
            server.server_close()


def refusal(stream: SocketStream, token: str = TOKEN) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        readiness(stream, BASE, token, INSTANCE, timeout=2)
    assert TOKEN not in caught.value.message + caught.value.hint + caught.value.detail
    return caught.value


def test_our_own_jupyter_is_ready() -> None:
    with stand() as stream:
        readiness(stream, BASE, TOKEN, INSTANCE)
        readiness(stream, BASE, TOKEN, INSTANCE)  # the stream stays usable


def test_readiness_is_asked_in_one_flight() -> None:
    near, far = socket.socketpair()
    with near, far:
        with pytest.raises(GpuwsError):  # nobody answers
            readiness(SocketStream(near), BASE, TOKEN, INSTANCE, timeout=0.1)
        both = far.recv(65536)
    first, second = both.split(b"\r\n\r\n")[:2]
    assert TOKEN.encode() not in first
    assert second.startswith(b"GET ")
    assert f"Authorization: token {TOKEN}".encode() in second


def test_a_server_with_another_instance_is_not_ours() -> None:
    with stand(instance="f" * 32) as stream:
        assert refusal(stream).code == "jupyter-not-ours"


def test_a_server_that_refuses_our_token_is_not_ours() -> None:
    with stand() as stream:
        error = refusal(stream, token="0" * 64)
        assert (error.code, error.retryable) == ("jupyter-not-ours", False)
        assert "token" in error.message


def test_a_server_that_asks_for_no_token_is_reported_as_open() -> None:
    with stand(wants_token=False) as stream:
        assert refusal(stream).code == "jupyter-open"


def test_a_server_that_is_still_starting_may_be_asked_again() -> None:
    with stand(status=503) as stream:
        error = refusal(stream)
        assert (error.code, error.retryable) == ("jupyter-timeout", True)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", None], ids=["end", "else", "silent"])
def test_no_answer_or_another_protocol_is_not_ready(answer: bytes | None) -> None:
    near, far = socket.socketpair()
    with far:
        if answer is not None:
            far.sendall(answer)
            far.shutdown(socket.SHUT_WR)
        with pytest.raises(GpuwsError) as caught:
            readiness(SocketStream(near), BASE, TOKEN, INSTANCE, timeout=0.3)
    near.close()
    assert (caught.value.code, caught.value.retryable) == ("jupyter-timeout", True)


ONE = {
    "id": "58a601b8-5faa-4227-a046-cadbf456f2d4",
    "name": "python3",
    "last_activity": "2026-11-21T08:31:01.304084Z",
    "execution_state": "busy",
    "connections": 1,
}
STRANGE_TIMES = [
    {"last_activity": text} for text in ("", "\x1b[2J", "yesterday", "1970-01-01T00:01:40")
]
IDLE = {**ONE, "id": "2", "execution_state": "idle"}


def test_kernels_and_terminals_are_listed_over_one_stream() -> None:
    with stand(lists={"kernels": [ONE, IDLE], "terminals": [{"name": "1"}]}) as stream:
        busy = Kernel(ONE["id"], "python3", "busy", ONE["last_activity"])  # type: ignore[arg-type]
        assert busy_kernels(stream, BASE, TOKEN) == (busy,)
        assert [kernel.state for kernel in kernels(stream, BASE, TOKEN)] == ["busy", "idle"]
        assert terminals(stream, BASE, TOKEN) == 1


def test_a_server_without_terminals_has_none() -> None:
    with stand(lists={}) as stream:
        assert terminals(stream, BASE, TOKEN) == 0


@pytest.mark.parametrize("said", ["1970-01-01T00:01:40.5Z", "1970-01-01T01:01:40.500000+01:00"])
def test_the_last_activity_is_told_in_seconds_since_the_epoch(said: str) -> None:
    with stand(lists={"status": {"last_activity": said, "kernels": 1}}) as stream:
        assert last_activity(stream, BASE, TOKEN) == 100.5


@pytest.mark.parametrize("value", [{}, [], "x", {"last_activity": 5}, *STRANGE_TIMES])
def test_a_status_without_a_time_is_refused(value: object) -> None:
    with stand(lists={"status": value}) as stream, pytest.raises(GpuwsError) as caught:
        last_activity(stream, BASE, TOKEN)
    assert caught.value.code == "jupyter-not-ours"
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    "value",
    [
        {},
        "x",
        None,
        [1],
        [{**ONE, "id": 5}],
        [{**ONE, "name": "\x1b[2J"}],
        [{**ONE, "id": "x" * 101}],
    ],
)
def test_a_kernel_list_that_jupyter_would_not_give_is_refused(value: object) -> None:
    with stand(lists={"kernels": value}) as stream, pytest.raises(GpuwsError) as caught:
        busy_kernels(stream, BASE, TOKEN)
    assert caught.value.code == "jupyter-not-ours"
    assert "\x1b" not in caught.value.message


# --- the real one ---------------------------------------------------------------------------------


@pytest.fixture
def real_jupyter(jupyter_env: Path) -> Iterator[Target]:  # noqa: F811
    program = str(jupyter_env / "bin" / "jupyter-server")
    with short_folder() as folder:
        (folder / "token").write_text(TOKEN)
        (folder / "config.py").write_text(
            f"c.ServerApp.tornado_settings = {{'headers': {{'X-Gpuws-Instance': '{INSTANCE}'}}}}\n"
        )
        process = subprocess.Popen(
            [
                program,
                f"--config={folder / 'config.py'}",
                f"--sock={folder / 'j'}",
                f"--ServerApp.base_url={BASE}",
                f"--ServerApp.root_dir={folder}",
                "--no-browser",
                "--allow-root",
            ],
            env={**os.environ, "HOME": str(folder), "JUPYTER_TOKEN_FILE": str(folder / "token")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(folder / "j")
            yield Target(str(folder / "j"))
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_a_real_jupyter_server_is_ready_and_lists_its_kernels(real_jupyter: Target) -> None:
    stream = LocalHost(Path("/")).open_stream(real_jupyter)
    readiness(stream, BASE, TOKEN, INSTANCE)
    assert kernels(stream, BASE, TOKEN) == ()
    made = request(stream, "POST", f"{BASE}api/kernels", token=TOKEN, timeout=20)
    assert made.status == 201
    (kernel,) = kernels(stream, BASE, TOKEN)
    assert kernel.name == "python3"
    assert terminals(stream, BASE, TOKEN) == 0
    for host in ("evil.example", "127.0.0.1.evil.example"):  # DNS rebinding
        answer = request(stream, "GET", f"{BASE}api/status", token=TOKEN, host=host, timeout=5)
        assert answer.status == 403
    for token, instance in (("0" * 64, INSTANCE), (TOKEN, "f" * 32)):
        with pytest.raises(GpuwsError) as caught:
            readiness(stream, BASE, token, instance)
        assert caught.value.code == "jupyter-not-ours"
    stream.close()
