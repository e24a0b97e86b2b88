"""The browser gets the token from our own listener, once, and from no argument list."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuws.plan.model import Secret
from gpuws.tunnel import opener
from gpuws.tunnel.opener import browser_available, open_browser

TOKEN = "f00d" * 16
URL = Secret(f"http://127.0.0.1:8888/w-0011/lab?token={TOKEN}")


def get(address: str, path: str | None = None, **more: str) -> http.client.HTTPResponse:
    _, _, where, own = address.split("/", 3)
    caller = http.client.HTTPConnection(where, timeout=5)
    caller.request(more.pop("method", "GET"), path or f"/{own}", headers=more)
    answer = caller.getresponse()
    answer.read()
    return answer


class Browser:
    """A launcher that does ``acts`` on the address, in order, in a thread."""

    def __init__(self, *acts: Callable[[str], http.client.HTTPResponse]) -> None:
        self.acts = acts
        self.answers: list[http.client.HTTPResponse] = []
        self.address = ""
        self.thread = threading.Thread(target=self._act)

    def __call__(self, address: str) -> bool:
        self.address = address
        self.thread.start()
        return True

    def _act(self) -> None:
        for act in self.acts:
            self.answers.append(act(self.address))

    def statuses(self) -> list[int]:
        self.thread.join()
        return [answer.status for answer in self.answers]


def test_the_browser_is_sent_on_to_the_url_with_the_token() -> None:
    browser = Browser(get)
    assert open_browser(URL, browser)
    assert browser.statuses() == [303]
    (answer,) = browser.answers
    assert answer.headers["Location"] == URL.reveal()
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert TOKEN not in browser.address


def test_the_address_works_once() -> None:
    browser = Browser(get, get)
    open_browser(URL, browser)
    assert browser.statuses() == [303, 410]
    assert browser.answers[1].headers["Location"] is None


def test_a_wrong_address_is_not_found_and_uses_nothing_up(
    capfd: pytest.CaptureFixture[str],
) -> None:
    browser = Browser(
        lambda address: get(address, "/"),
        lambda address: get(address, "/favicon.ico"),
        lambda address: get(address, "/" + "A" * 43),
        lambda address: get(address, method="HEAD"),
        lambda address: get(address, method="POST"),
        lambda address: get(address, Host="evil.example"),
        get,
    )
    open_browser(URL, browser)
    *wrong, right = browser.statuses()
    assert wrong == [404, 404, 404, 501, 501, 404]
    assert right == 303
    assert capfd.readouterr() == ("", "")


def test_of_twenty_callers_at_once_one_gets_the_url() -> None:
    answers: list[int] = []

    def race(address: str) -> bool:
        def ask() -> None:
            answers.append(get(address).status)

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return True

    assert open_browser(URL, race)
    assert sorted(answers) == [303] + [410] * 19


def test_a_browser_that_opens_a_silent_connection_first_is_served() -> None:
    def preconnect(address: str) -> http.client.HTTPResponse:
        host, port = address.split("/")[2].split(":")
        with socket.create_connection((host, int(port))):
            return get(address)

    browser = Browser(preconnect)
    assert open_browser(URL, browser)
    assert browser.statuses() == [303]


def test_the_address_dies_unused() -> None:
    seen: list[str] = []

    def ignore(address: str) -> bool:
        seen.append(address)
        return True

    begin = time.monotonic()
    assert not open_browser(URL, ignore, life=0.3)
    assert 0.25 < time.monotonic() - begin < 1
    time.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        get(seen[0])


def test_a_browser_that_cannot_be_started_closes_the_address_at_once() -> None:
    seen: list[str] = []

    def fail(address: str) -> bool:
        seen.append(address)
        return False

    begin = time.monotonic()
    assert not open_browser(URL, fail)
    assert time.monotonic() - begin < 1
    with pytest.raises(ConnectionRefusedError):
        get(seen[0])


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/lab?token=x",
        "http://127.0.0.1:8888/a\r\nX: y",
        "https://127.0.0.1:1/",
        "http://127.0.0.1.evil.example:80/",
        "http://127.0.0.1:80@evil.example/",
    ],
)
def test_only_a_loopback_url_is_opened(url: str) -> None:
    with pytest.raises(ValueError, match="loopback") as refusal:
        open_browser(Secret(url), lambda address: pytest.fail("was launched"))
    assert "token=x" not in str(refusal.value)


def test_nothing_is_printed_and_no_argument_list_holds_the_token(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said: list[bytes] = []

    def launch(address: str) -> bool:
        script = "import sys, urllib.request as r; r.build_opener(H).open(sys.argv[1])"
        handler = "class H(__import__('urllib.request').request.HTTPRedirectHandler):\n"
        handler += " def redirect_request(self, *a): print(a[-1]); return None\n"
        code = handler + f"try: exec({script!r})\nexcept Exception: pass"
        process = subprocess.Popen(
            [sys.executable, "-c", code, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if sys.platform == "linux":
            said.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        said.append(process.communicate()[0])
        return True

    assert open_browser(URL, launch)
    assert TOKEN.encode() in said[-1]  # the real process did get the redirect
    assert all(TOKEN.encode() not in line for line in said[:-1])
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/net/tcp")
def test_another_user_does_not_get_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert opener.peer_uid(client.getsockname()[1], port) == os.getuid()
    assert opener.peer_uid(1, port) is None
    stranger = os.getuid() + 4242
    real = opener.peer_uid
    monkeypatch.setattr(opener, "peer_uid", lambda peer, port: stranger)
    browser = Browser(get)
    assert not open_browser(URL, browser, life=0.5)
    assert browser.statuses() == [404]
    monkeypatch.setattr(opener, "peer_uid", real)


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs root and /proc")
def test_another_real_user_does_not_get_the_url() -> None:
    statuses: list[str] = []

    def as_nobody(address: str) -> bool:
        code = (
            "import http.client, sys; _, _, h, p = sys.argv[1].split('/')\n"
            "c = http.client.HTTPConnection(h); c.request('GET', '/' + p)\n"
            "print(c.getresponse().status)"
        )
        command = ["/usr/bin/env", "python3", "-c", code, address]
        statuses.append(
            subprocess.run(command, user=65534, capture_output=True, text=True).stdout.strip()
        )
        statuses.append(str(get(address).status))
        return True

    if subprocess.run(["/usr/bin/env", "python3", "-V"], user=65534).returncode:
        pytest.skip("python3 is not for everyone here")
    assert open_browser(URL, as_nobody)
    assert statuses == ["404", "303"]


@pytest.mark.parametrize(
    ("environ", "platform", "why"),
    [
        ({"DISPLAY": ":0"}, "linux", None),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", None),
        ({}, "linux", "display"),
        ({}, "darwin", None),
        ({}, "win32", None),
        ({"SSH_CONNECTION": "a 1 b 2"}, "darwin", "ssh"),
        ({"DISPLAY": "localhost:10.0", "SSH_TTY": "/dev/pts/1"}, "linux", "ssh"),
        ({"DISPLAY": ":0", "WSL_DISTRO_NAME": "Debian"}, "linux", "WSL"),
        ({"WSL_INTEROP": "/run/x", "BROWSER": "wslview"}, "linux", None),
        ({"SSH_CONNECTION": "a 1 b 2", "BROWSER": "w3m"}, "linux", None),
    ],
)
def test_where_a_browser_can_be_started(
    environ: dict[str, str], platform: str, why: str | None
) -> None:
    reason = browser_available(environ, platform)
    assert (reason is None) == (why is None)
    assert why is None or why in str(reason)
