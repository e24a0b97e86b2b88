"""A workspace with a real JupyterLab whose connection leads through something that can break.

    wire.attach()                # a keeper of its own for each test
    wire.proxy.dark = True
    wire.until("reconnecting")
    wire.proxy.heal()
    wire.door.seconds_until_it_works()

``wire`` leads through the fault proxy, ``cable`` through two network namespaces (as root). The
laptop's ssh_config asks for pings every second, so that a test need not wait for the 15 s that
people have; ``usual_patience`` takes that away.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.door import Door, door_to
from tests.support.fault_proxy import FaultProxy
from tests.support.jupyter_env import jupyter_env
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.netlab import SERVER, Network, network
from tests.support.sshd import Place

__all__ = ["cable", "jupyter_env", "shared_cable", "shared_wire", "wire"]

NAME = "w"  # of the workspace
WHERE = f"gpubox/{NAME}"
EAGER = ("ServerAliveInterval 1", "ServerAliveCountMax 3")
BLOB = "kernelspecs/python3/blob.bin"  # Jupyter streams the files of a kernel's folder

Reach = Callable[[Path, int], Door]  # (workspace's folder on the host, local port)


@dataclass
class Wired:
    """``attach`` first; ``door`` is then the way in."""

    lab: Lab
    reach: Reach = door_to
    door: Door = field(init=False)

    @property
    def workspace(self) -> Path:
        return self.lab.root / "workspaces" / NAME

    def up(self, env: Path) -> None:
        words = ("-d", "--no-browser", "--use-env", str(env), "--name", NAME)
        self.lab.laptop.ok("up", "gpubox", *words)

    def attach(self) -> None:
        port = self.lab.laptop.ok("--json", "attach", WHERE, "-d").data()["local_port"]
        self.door = self.reach(self.workspace, port)

    def blob(self, data: bytes) -> Path:
        """The file that Jupyter serves as ``BLOB``."""
        path = self.workspace / "jupyter/data/kernels/python3/blob.bin"
        path.write_bytes(data)
        return path

    def stop_service(self) -> None:
        """Jupyter ends; its session on the host is left to itself."""
        service = psutil.Process(int((self.workspace / "service").read_text().split()[0]))
        service.kill()
        psutil.wait_procs([service], timeout=5)

    def usual_patience(self) -> None:
        """For the commands to come: no word about pings in the ssh_config."""
        text = self.lab.server.config.read_text()
        for line in EAGER:
            text = text.replace(f"    {line}\n", "")
        usual = self.lab.laptop.folder / "usual_config"
        usual.write_text(text)
        self.lab.laptop.env["GPUWS_SSH_CONFIG"] = str(usual)

    # --- what the outside sees -------------------------------------------------------------------

    @property
    def keeper(self) -> psutil.Process:
        [pid] = self.lab.laptop.keepers()
        return psutil.Process(pid)

    def host(self) -> dict[str, Any]:
        """What `gpuws status` says of the host."""
        done = self.lab.laptop.run("--json", "status", "gpubox", timeout=20)
        [shown] = done.data()["hosts"]
        assert done.code == (0 if shown["reachable"] else 6), done
        found: dict[str, Any] = shown
        return found

    def tunnel(self) -> Any:
        """What it says of the tunnel: an object, or null."""
        [found] = [each for each in self.host()["workspaces"] if each["name"] == NAME]
        return found["tunnel"]

    def until(self, state: str, patience: float = 20.0) -> dict[str, Any]:
        """The tunnel's object once it is in this state."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            seen = self.tunnel()
            if isinstance(seen, dict) and seen["state"] == state:
                return seen
            time.sleep(0.1)
        raise AssertionError(f"not {state!r} in {patience:.0f} s: {seen!r}")

    # --- between two tests -----------------------------------------------------------------------

    def forget(self) -> None:
        """The laptop's side ends; the workspace stays."""
        self.lab.laptop.env["GPUWS_SSH_CONFIG"] = str(self.lab.server.config)
        for pid in self.lab.laptop.keepers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while self.lab.laptop.keepers() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.lab.server.end_sessions()


@dataclass
class Wire(Wired):
    proxy: FaultProxy = field(kw_only=True)


@dataclass
class Cable(Wired):
    net: Network = field(kw_only=True)


@pytest.fixture(scope="module")
def shared_wire(jupyter_env: Path) -> Iterator[Wire]:
    with (
        short_folder() as folder,
        running_lab(folder, client_lines=EAGER) as lab,
        FaultProxy(("127.0.0.1", lab.server.port)) as proxy,
    ):
        lab.server.put_behind(proxy.port)
        made = Wire(lab, proxy=proxy)
        made.up(jupyter_env)
        yield made


@pytest.fixture
def wire(shared_wire: Wire) -> Iterator[Wire]:
    """Whole, without a keeper and without a dial yet."""
    shared_wire.forget()
    shared_wire.proxy.dials.clear()
    yield shared_wire
    shared_wire.proxy.heal()
    shared_wire.forget()


@pytest.fixture(scope="module")
def shared_cable(jupyter_env: Path) -> Iterator[Cable]:
    with (
        short_folder() as folder,
        network(folder) as net,
        running_lab(
            folder,
            client_lines=EAGER,
            place=Place(SERVER, net.on_server()),
            within=net.laptop.command(),
        ) as lab,
    ):
        made = Cable(lab, lambda folder, port: door_to(folder, port, net.laptop.dial), net=net)
        made.up(jupyter_env)
        yield made


@pytest.fixture
def cable(shared_cable: Cable) -> Iterator[Cable]:
    """As ``wire``."""
    shared_cable.forget()
    yield shared_cable
    shared_cable.net.heal()
    shared_cable.forget()
