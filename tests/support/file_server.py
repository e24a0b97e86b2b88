"""An HTTP server of a folder on loopback: with or without ranges, cutting, behind a login."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FileServer:
    """What it does may be changed at any time; what it was asked is kept."""

    folder: Path
    port: int = 0
    ranges: bool = True
    cut_after: int | None = None  # bytes of a body, then the connection ends
    login: str = ""  # the Authorization header that it wants
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range header
    sent: int = 0  # bytes of bodies
    together: int = 0  # answers under way at once, at most
    gate: threading.Semaphore | None = None  # each answer waits for one

    def url(self, name: str, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.port}/{name}"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    told = FileServer(folder)
    under_way = [0]
    lock = threading.Lock()

    class Answer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                under_way[0] += 1
                told.together = max(told.together, under_way[0])
            try:
                if told.gate is not None:
                    told.gate.acquire(timeout=10)
                self._answer()
            finally:
                with lock:
                    under_way[0] -= 1

        def _answer(self) -> None:
            wanted = self.headers.get("Range", "")
            told.asked.append((self.path, wanted))
            if told.login and self.headers.get("Authorization") != told.login:
                return self._head(401, 0)
            data = (told.folder / urllib.parse.unquote(self.path.lstrip("/"))).read_bytes()
            begin = self._begin(wanted)
            if begin and begin >= len(data):
                return self._head(416, 0)
            self._head(206 if begin else 200, len(data) - begin, begin, len(data))
            body = data[begin:][: told.cut_after]
            self.wfile.write(body)
            told.sent += len(body)
            self.close_connection = told.cut_after is not None
            return None

        def _begin(self, wanted: str) -> int:
            found = re.fullmatch(r"bytes=(\d+)-", wanted)
            return int(found[1]) if found and told.ranges else 0

        def _head(self, status: int, length: int, begin: int = 0, size: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            if status == 206:
                self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
