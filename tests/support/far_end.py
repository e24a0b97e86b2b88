"""Servers for the far side of a tunnel: on a Unix socket, a thread a connection."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from gpuws.plan.model import Target

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose socket paths fit: pytest's own are too long at times."""
    folder = Path(tempfile.mkdtemp(prefix="gt-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def far_end(serve: Serve) -> Iterator[Target]:
    """Serves each connection with ``serve`` until the block ends."""
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(folder / "s")
        listener.bind(path)
        listener.listen(1024)
        threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
        try:
            yield Target(path)
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def serve_forever(path: str, serve: Serve, *, ready: Callable[[], None]) -> None:
    """The same in a process of its own, which is ended from outside."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1024)
        ready()
        _accept(listener, serve)


def _accept(listener: socket.socket, serve: Serve) -> None:
    with contextlib.suppress(OSError):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_run, args=(sock, serve), daemon=True).start()


def _run(sock: socket.socket, serve: Serve) -> None:
    with sock, contextlib.suppress(OSError):
        serve(sock)


def echo(sock: socket.socket) -> None:
    """Send back what comes; end when the other side has ended."""
    while data := sock.recv(256 * 1024):
        sock.sendall(data)


def answer_after_the_question(sock: socket.socket) -> None:
    """Read until the end of the question, then say what it was: needs half-close."""
    question = b"".join(iter(lambda: sock.recv(65536), b""))
    sock.sendall(b"you asked: " + question)


def digest(sock: socket.socket) -> None:
    """Read to the end, then answer with the SHA-256 of what came."""
    seen = hashlib.sha256()
    while data := sock.recv(256 * 1024):
        seen.update(data)
    sock.sendall(seen.hexdigest().encode())


@contextlib.contextmanager
def crowd_echo() -> Iterator[Target]:
    """An echo server for a thousand connections, in one thread."""
    with short_folder() as folder:
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        path = str(folder / "s")
        thread = threading.Thread(target=_serve_crowd, args=(loop, path, ready), daemon=True)
        thread.start()
        assert ready.wait(5)
        try:
            yield Target(path)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)


def _serve_crowd(loop: asyncio.AbstractEventLoop, path: str, ready: threading.Event) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_unix_server(one, path, backlog=1024))
    ready.set()
    loop.run_forever()
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def random_bytes(size: int) -> bytes:
    """Incompressible, and made fast."""
    block = os.urandom(1 << 20)
    return (block * (size // len(block) + 1))[:size]
