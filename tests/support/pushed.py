"""Archives to push, a host's folder of them, and a Host that is cut at a byte of one."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from gpuws.environments.archives import Archive
from gpuws.plan.ports import Host, Reply, Script


def archive(folder: Path, name: str, data: bytes) -> Archive:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return Archive(path, hashlib.sha256(data).hexdigest(), len(data))


def archives(folder: Path, *sizes: int) -> list[Archive]:
    return [
        archive(folder, f"p{at}-1.0-h_0.conda", os.urandom(size)) for at, size in enumerate(sizes)
    ]


def place_of(root: Path, one: Archive) -> Path:
    return root / "cache/archives" / one.sha256[:2] / one.sha256 / one.path.name


def wrong_on(root: Path, wanted: Iterable[Archive]) -> list[str]:
    """What is not there as it should be, and what is there beside."""
    places = {place_of(root, each): each for each in wanted}
    found = {path for path in (root / "cache/archives").rglob("*") if path.is_file()}
    wrong = [f"beside: {path.name}" for path in found - places.keys()]
    for path, each in places.items():
        if path not in found:
            wrong.append(f"missing: {path.name}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != each.sha256:
            wrong.append(f"other bytes: {path.name}")
    return wrong


class Between:
    """A Host whose feeds pass ``on_the_way`` before the host: all else is the host's own."""

    def __init__(
        self, host: Host, on_the_way: Callable[[Iterable[bytes]], Iterable[bytes]]
    ) -> None:
        self._host = host
        self._on_the_way = on_the_way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def feed(
        self, script: Script, *args: str, data: Iterable[bytes], timeout: float = 600.0
    ) -> Reply:
        return self._host.feed(script, *args, data=self._on_the_way(data), timeout=timeout)


def until(size: int, act: Callable[[], object]) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """``act`` once ``size`` bytes of the first archive are on their way; the line before it does
    not count, the one behind it (at ``size`` = its length + 2) does."""

    def pass_on(data: Iterable[bytes]) -> Iterator[bytes]:
        left, acted = size, False
        for number, block in enumerate(data):
            if number == 0:
                yield block
                block = b""
            if not acted and left <= len(block):
                yield block[:left]
                time.sleep(0.3)  # they are through all buffers
                act()
                acted, block = True, block[left:]
            left -= len(block)
            yield block

    return pass_on
