"""One host looked up among 20,000 lines of known_hosts: ssh-keygen -F, and our own reader."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import _figures
from gpuws.host import hostkeys, known_hosts
from gpuws.plan.model import Profile

LINES = 20_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def main() -> None:
    count = _figures.runs(__doc__, 10)
    with tempfile.TemporaryDirectory(prefix="gpuws-") as folder:
        files = {"in clear": Path(folder, "clear"), "hashed": Path(folder, "hashed")}
        files["in clear"].write_text("".join(f"{name} {KEY}\n" for name in _names()))
        files["hashed"].write_text("".join(f"{_hashed(name)} {KEY}\n" for name in _names()))
        sides = {
            f"{reader}, {kind}": functools.partial(_took, read, file)
            for kind, file in files.items()
            for reader, read in (("ssh-keygen -F", _asked), ("our own", _own))
        }
        figures = _figures.in_turns(count, sides)
    _figures.heading("20,000 lines of known_hosts", count)
    _figures.table(
        ("reader", "seconds, median (quartiles)"),
        [(name, _figures.spread(found)) for name, found in figures.items()],
    )
    slowest = max(statistics.median(found) for found in figures.values())
    _figures.goals([_figures.Goal("the slowest", slowest, 1.0, "s")])


def _names() -> list[str]:
    return [f"host{number}.example" for number in range(LINES)]


def _hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _asked(name: str, file: Path) -> int:
    profile = replace(Profile(name, name, 22, "ada"), user_known_hosts=(str(file),))
    return len(hostkeys.known_keys(profile).entries)


def _own(name: str, file: Path) -> int:
    return len(known_hosts.find(name, [file]))


def _took(read: Callable[[str, Path], int], file: Path) -> float:
    begin = time.perf_counter()
    assert read(f"host{LINES - 1}.example", file) == 1
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
