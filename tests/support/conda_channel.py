"""A real conda channel made by the tests, and an http server for it with an access log.

Nothing is downloaded: python packages link to interpreters of this machine under their true
version, pip is the interpreter's own, everything else is tiny but complete.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import http.server
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import rattler
from rattler.index import index_fs

from tests.support import conda_packages, micromamba
from tests.support.conda_package import File, Package, write_package
from tests.support.conda_pythons import Interpreter, interpreters, pip_package, python_package


@dataclass(frozen=True)
class Channel:
    """A channel on disk. ``pythons`` are the versions it can give, newest last."""

    folder: Path
    subdir: str
    pythons: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def archive(self, name: str) -> Path:
        """The newest archive of a package."""
        found = sorted(self.folder.glob(f"*/{name}-*"), key=lambda p: p.stat().st_mtime_ns)
        return next(p for p in reversed(found) if p.name.rsplit("-", 2)[0] == name)


def make_channel(
    folder: Path,
    *,
    pythons: Iterable[Interpreter] | None = None,
    extra: Iterable[Package] = (),
    archives: Iterable[Path] = (),
    standard: bool = True,
) -> Channel:
    """Write and index a channel. ``standard`` adds pip and the packages of conda_packages.py.

    ``archives`` are package files made before, in a folder named after their subdir.
    """
    subdir = str(rattler.Subdir.current())
    folder.mkdir(parents=True, exist_ok=True)
    found = tuple(interpreters() if pythons is None else pythons)
    packages = [python_package(interpreter) for interpreter in found]
    if standard:
        packages += [pip_package(), *conda_packages.STANDARD]
        packages += [micromamba_package("2.8.1")]
    for package in (*packages, *extra):
        write_package(package, folder, subdir)
    (folder / "noarch").mkdir(exist_ok=True)
    for archive in archives:
        (folder / archive.parent.name).mkdir(exist_ok=True)
        os.link(archive, folder / archive.parent.name / archive.name)
    asyncio.run(index_fs(folder, write_zst=False, write_shards=False))
    spoil_hashes(folder, conda_packages.WRONG_HASH)
    return Channel(folder, subdir, tuple(i.version for i in found))


def micromamba_package(version: str) -> Package:
    """A conda package whose bin/micromamba is the stand-in, as conda-forge ships the real one."""
    binary = File("bin/micromamba", micromamba.executable(), executable=True)
    return Package("micromamba", version, build="1", number=1, files=(binary,))


def spoil_hashes(folder: Path, name: str) -> None:
    """Make repodata promise other hashes than the archive of ``name`` has."""
    for path in folder.glob("*/repodata.json"):
        repodata = json.loads(path.read_text())
        for key in ("packages", "packages.conda"):
            for record in repodata.get(key, {}).values():
                if record["name"] == name:
                    record["sha256"], record["md5"] = "0" * 64, "0" * 32
        path.write_text(json.dumps(repodata))


# --- over http ------------------------------------------------------------------------------------


@dataclass
class Faults:
    """What the server does wrong from now on; parts of paths as keys."""

    missing: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    delay_s: float = 0.0
    status: int = 0  # for every question
    portal: bool = False  # a page of its own, whatever is asked
    login: str = ""  # "user:password" that is asked for


@dataclass
class Served:
    """A channel at ``url``; ``log`` is every path asked for, in order."""

    url: str
    log: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)


@contextmanager
def serve(channel: Channel | Path) -> Iterator[Served]:
    """The channel over http on loopback, until the block ends."""
    folder = channel if isinstance(channel, Path) else channel.folder
    served = Served("")
    handler = functools.partial(_Handler, served, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/channel"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Below /channel; everything else is 404, as on a host that serves many channels."""

    protocol_version = "HTTP/1.0"

    def __init__(self, served: Served, *args: object, directory: str) -> None:
        self._served = served
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def handle(self) -> None:
        with suppress(ConnectionError):  # who asks may have seen enough
            super().handle()

    def do_GET(self) -> None:
        self.path = re.sub(r"^http://[^/]+", "", self.path)  # as a proxy is asked
        self._served.log.append(self.path)
        faults = self._served.faults
        time.sleep(faults.delay_s)
        if faults.login and not self._logged_in():
            self.send_error(401)
        elif faults.status:
            self.send_error(faults.status)
        elif faults.portal:
            self._page(b"<!DOCTYPE html><html>welcome to this network</html>")
        elif not self._inside() or any(part in self.path for part in faults.missing):
            self.send_error(404)
        elif any(part in self.path for part in faults.truncated):
            self._truncated()
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        self._served.log.append("HEAD " + self.path)
        missing = any(part in self.path for part in self._served.faults.missing)
        if missing or not self._inside():
            self.send_error(404)
        else:
            super().do_HEAD()

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/channel"))

    def log_message(self, format: str, *args: object) -> None:
        return None

    def _inside(self) -> bool:
        return self.path == "/channel" or self.path.startswith("/channel/")

    def _logged_in(self) -> bool:
        word = base64.b64encode(self._served.faults.login.encode()).decode()
        return self.headers.get("Authorization") == f"Basic {word}"

    def _page(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _truncated(self) -> None:
        """Promise the whole file, send half of it, close."""
        file = Path(self.translate_path(self.path))
        data = file.read_bytes() if file.is_file() else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
