"""Opens the browser without the token in any argument list.

The browser is started on a one-use address of our own loopback listener; the answer to it is a
redirect to the URL with the token. Whoever reads the process list sees the address, so it works
once, for 30 seconds, and on Linux only for the same user.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler

from gpuws.plan.model import Secret
from gpuws.tunnel.local_ports import LOOPBACK, rows

_LIFE = 30.0  # seconds an address lives
_URL = re.compile(r"http://(127(\.[0-9]{1,3}){3}|localhost):[0-9]{1,5}/[!-~]*")

Launch = Callable[[str], bool]
"""Starts a browser on an address, e.g. ``webbrowser.open``; whether it could be started."""


def open_browser(url_with_token: Secret, launch: Launch, *, life: float = _LIFE) -> bool:
    """Start the browser on a one-use address; whether it came for it within ``life`` seconds.

    Waits until then. Raises ValueError for a URL that is not on this machine's loopback.
    """
    if not _URL.fullmatch(url_with_token):
        raise ValueError("only a loopback URL is opened")
    page = _Page(url_with_token)
    threading.Thread(target=page.serve_forever, args=(0.1,), daemon=True).start()
    ending = threading.Timer(life, page.end)
    ending.daemon = True
    ending.start()
    if not launch(page.address):
        ending.cancel()
        page.end()
        return False
    page.fetched.wait(life)  # the listener stays for its time, to say 410 to a second caller
    return page.fetched.is_set()


class _Page(socketserver.ThreadingTCPServer):
    """One address, answered once. A thread a connection: browsers open some and say nothing."""

    daemon_threads = True

    def __init__(self, url: Secret) -> None:
        super().__init__((LOOPBACK, 0), _Answer)
        self.url = url
        self.nonce = secrets.token_urlsafe(32)
        self.fetched = threading.Event()  # the answer is on its way to the browser
        self._turn = threading.Lock()
        self._taken = False
        self.port = int(self.server_address[1])
        self.address = f"http://{LOOPBACK}:{self.port}/{self.nonce}"

    def take(self) -> bool:
        """Whether this is the first one to take the URL."""
        with self._turn:
            first, self._taken = not self._taken, True
            return first

    def end(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away is no news, and a traceback would show the URL."""


class _Answer(BaseHTTPRequestHandler):
    server: _Page
    timeout = 5.0  # seconds a silent connection is kept
    protocol_version = "HTTP/1.0"  # one request a connection

    def do_GET(self) -> None:
        asked, right = self.path.encode("latin-1"), f"/{self.server.nonce}".encode()
        ours = self.headers.get("Host") == f"{LOOPBACK}:{self.server.port}"
        if not (ours and hmac.compare_digest(asked, right) and self._same_user()):
            self._say(404)
        elif self.server.take():
            self._say(303, self.server.url)
            self.server.fetched.set()
        else:
            self._say(410)

    def _same_user(self) -> bool:
        if sys.platform == "win32":
            return True
        owner = peer_uid(self.client_address[1], self.server.port)
        return owner in (None, 0, os.getuid())

    def _say(self, status: int, location: Secret | None = None) -> None:
        self.send_response_only(status)
        if location is not None:
            self.send_header("Location", location.reveal())
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The library would print each request, with the nonce, to stderr."""


def peer_uid(peer: int, port: int) -> int | None:
    """Who connected from 127.0.0.1:peer to 127.0.0.1:port; None where the kernel does not say.

    Source: /proc/net/tcp. Root is let in by the caller: relays of the system run as root.
    """
    for row in rows("/proc/net/tcp"):
        if row[1].endswith(f":{peer:04X}") and row[2].endswith(f":{port:04X}"):
            return int(row[7])
    return None


def browser_available(environ: Mapping[str, str], platform: str) -> str | None:
    """None where a browser can be started here, else why not, in words for the user."""
    if environ.get("BROWSER"):
        return None  # the user says which
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return "this terminal itself is reached by ssh"
    if environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP"):
        return "the browser is on the Windows side of WSL"
    graphical = environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")
    if platform.startswith(("linux", "freebsd", "openbsd")) and not graphical:
        return "no graphical display"
    return None
