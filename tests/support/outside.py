"""What a host holds, looked at from outside gpuws: processes, sockets, files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any


def carriers(nonce: str) -> dict[int, str]:
    """pid → command line of every process whose environment carries the session's nonce."""
    mark = f"GPUWS_SESSION={nonce}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if words:  # a zombie has none
                    found[int(entry.name)] = words
        except OSError:
            continue
    return found


def sockets(under: Path) -> list[str]:
    """Listening Unix sockets below a folder, by `ss -xl`."""
    listed = subprocess.run(["ss", "-xlH"], capture_output=True, text=True, check=True).stdout
    words = [word for line in listed.splitlines() for word in line.split()]
    return sorted(word for word in words if word.startswith(str(under)))


def listeners(port: int) -> list[str]:
    """Local addresses that listen on a TCP port, by `ss -tl`."""
    listed = subprocess.run(["ss", "-tlnH"], capture_output=True, text=True, check=True).stdout
    found = [line.split()[3] for line in listed.splitlines()]
    return sorted(each for each in found if each.rsplit(":", 1)[1] == str(port))


def files(under: Path) -> dict[str, str]:
    """path below ``under`` → inode and content hash (links: their target)."""
    found = {}
    for path in sorted(under.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(under))] = f"-> {path.readlink()}"
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            found[str(path.relative_to(under))] = f"{path.stat().st_ino} {digest}"
    return found


class Notebook:
    """Jupyter's REST and kernels, as a browser would reach them: through the local port."""

    def __init__(self, url: str) -> None:
        """``url``: as `gpuws url` prints it, with the token."""
        address, _, self._token = url.partition("?token=")
        self._base = address.removesuffix("lab")

    def ask(
        self, path: str, method: str = "GET", body: object = None, *, token: bool = True
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, method=method)
        if token:
            request.add_header("Authorization", f"token {self._token}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def start_kernel(self) -> str:
        kernel: str = self.ask("api/kernels", "POST", {"name": "python3"})["id"]
        return kernel

    def kernels(self) -> list[str]:
        return [each["id"] for each in self.ask("api/kernels")]

    def run(self, kernel: str, code: str) -> str:
        """What the code prints, through the kernel's websocket."""
        with contextlib.closing(self._link(kernel)) as link:
            return self._printed(link, self._send(link, code))

    def begin(self, kernel: str, code: str) -> None:
        """Give the kernel something to do and leave it, as a browser does whose tab is closed."""
        with contextlib.closing(self._link(kernel)) as link:
            asked = self._send(link, code)
            while json.loads(link.recv())["parent_header"].get("msg_id") != asked:
                pass

    def _link(self, kernel: str) -> Any:
        import websocket

        address = self._base.replace("http://", "ws://", 1) + f"api/kernels/{kernel}/channels"
        return websocket.create_connection(
            address, header=[f"Authorization: token {self._token}"], timeout=30
        )

    def _send(self, link: Any, code: str) -> str:
        import uuid

        header = {"msg_id": uuid.uuid4().hex, "username": "", "session": uuid.uuid4().hex}
        header |= {"msg_type": "execute_request", "version": "5.3", "date": ""}
        content = {"code": code, "silent": False, "store_history": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        link.send(json.dumps({**message, "channel": "shell", "buffers": []}))
        return header["msg_id"]

    def _printed(self, link: Any, asked: str) -> str:
        out = ""
        while True:
            answer = json.loads(link.recv())
            if answer["parent_header"].get("msg_id") != asked:
                continue
            kind, content = answer["header"]["msg_type"], answer["content"]
            if kind == "stream":
                out += content["text"]
            elif kind == "error":
                raise AssertionError(content)
            elif kind == "status" and content["execution_state"] == "idle":
                return out
