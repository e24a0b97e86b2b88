"""One sshd with a HOME of its own, reached over several wires, and a laptop with gpuws.

The host aliases ``near`` and ``far`` lead to the same sshd through a proxy each, which adds nothing
and 100 ms to a round trip: the proxy's own cost is on both. A benchmark may ask for more wires.
`gpuws up` has made the environment and the workspace before the first measurement.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.door import Door
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.sshd import free_port

from bench._figures import as_installed
from bench._proxy import Link, Wire, linked

ROUND_TRIPS = {"near": 0.0, "far": 0.1}  # seconds
POLL = 0.02  # seconds
NAME = "bench"  # of the workspace
_PATIENCE = 60.0  # seconds

Address = tuple[str, str]  # path of Jupyter, token


@dataclass(frozen=True)
class Bench:
    made: Lab
    folder: Path
    links: Mapping[str, Link]  # by host alias

    @property
    def env(self) -> dict[str, str]:
        return as_installed(self.made.laptop.env)

    @property
    def workspace(self) -> Path:
        return self.made.root / "workspaces" / NAME

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.workspace / "workspace.json").read_text())
        return found

    def address(self) -> Address | None:
        """Read where the host keeps it: the measured command prints no token."""
        try:
            return self.record()["base_url"], (self.workspace / "token").read_text()
        except (OSError, ValueError):
            return None  # not written yet

    @property
    def jupyter(self) -> str:
        return f"{self.record()['run']}/jupyter.sock"

    @property
    def short(self) -> dict[str, str]:
        """Paths of this run → what is printed for them."""
        return {
            str(self.made.server.config): "CONFIG",
            str(self.made.home): "~",
            str(Path(sys.executable).parent) + "/": "",
        }

    # --- commands --------------------------------------------------------------------------------

    def gpuws(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).parent / "gpuws"), *words]

    def ssh(self, *words: str) -> list[str]:
        """A login of its own each time, as the ssh config of most people has it."""
        alone = ("-o", "ControlMaster=no", "-o", "ControlPath=none")
        return ["ssh", "-F", str(self.made.server.config), *alone, *words]

    def run(self, command: Sequence[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.made.laptop.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE * 5,
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.made.laptop.project,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end_keepers(self) -> None:
        """The laptop forgets its connections: the next command logs in anew."""
        pids = self.made.laptop.keepers()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.made.laptop.keepers() and time.monotonic() < deadline:
            time.sleep(0.02)


@contextlib.contextmanager
def lab(**more: Wire) -> Iterator[Bench]:
    """``more``: wires beside ``near`` and ``far``, each by its host alias."""
    wires = {alias: Wire(seconds) for alias, seconds in ROUND_TRIPS.items()} | more
    with (
        short_folder() as folder,
        running_lab(folder, env=_cache(folder)) as made,
        contextlib.ExitStack() as open_,
    ):
        links = {
            alias: open_.enter_context(linked(made.server.port, wire))
            for alias, wire in wires.items()
        }
        _name(made, links)
        bench = Bench(made, folder, links)
        print("making the environment once", file=sys.stderr)
        bench.run(bench.gpuws("up", "near", "--name", NAME, "-d", "--no-browser"))
        bench.end_keepers()
        yield bench


def _cache(folder: Path) -> dict[str, str]:
    return {
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(folder / "uv"),
        "UV_LINK_MODE": "hardlink",
    }


def _name(made: Lab, links: Mapping[str, Link]) -> None:
    """A host alias for each."""
    server = made.server
    block, line = server.config_block(), server.host_key_line()
    blocks, lines = [], [line]
    for alias, link in links.items():
        renamed = block.replace(f"Host {server.alias}\n", f"Host {alias}\n")
        blocks.append(renamed.replace(f"Port {server.port}\n", f"Port {link.port}\n"))
        lines.append(line.replace(f":{server.port} ", f":{link.port} "))
    server.config.write_text("\n".join(blocks))
    server.known_hosts.write_text("".join(lines))
    entries = (f"  {alias}:\n    local_port: {free_port()}\n" for alias in links)
    made.laptop.hosts("hosts:\n" + "".join(entries))


# --- until the first authenticated answer ---------------------------------------------------------


def until_200(
    port: int,
    address: Callable[[], Address | None],
    begin: float,
    process: subprocess.Popen[str] | None = None,
) -> float:
    """Seconds from ``begin`` until Jupyter says 200 to our token through a local port.

    Asked every 20 ms; an open question is waited for. ``process``: what opens the port; there is
    nothing to wait for once it has failed.
    """
    while (now := time.perf_counter()) < begin + _PATIENCE:
        if process is not None and process.poll():
            raise AssertionError(f"it ended with {process.returncode}: {process.communicate()}")
        known = address()
        if known and Door(port, *known).works(timeout=10):
            return time.perf_counter() - begin
        time.sleep(max(0.0, now + POLL - time.perf_counter()))
    raise AssertionError(f"no answer on port {port} in {_PATIENCE:.0f} s")
