"""The ports of a session's processes, asked of the kernel under every shell a host may have."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.engines.ports import open_ports
from gpuws.tunnel.local_ports import is_free
from tests.support.local_host import LocalHost
from tests.support.shells import shell

__all__ = ["shell"]

LISTEN = """
import socket, sys
families = {True: socket.AF_INET6, False: socket.AF_INET}
port = int(sys.argv[1])
held = [socket.create_server((a, port), family=families[":" in a]) for a in sys.argv[2:]]
print(*(each.getsockname()[1] for each in held), flush=True)
sys.stdin.read()
"""


class Box:
    """A host with one workspace whose processes are started here."""

    def __init__(self, home: Path, shell: tuple[str, ...]) -> None:
        self.host = LocalHost(home, shell=shell)
        self.root = home / "ro ot"
        self.folder = self.root / "workspaces" / "demo"
        self.folder.mkdir(parents=True)
        (self.root / ".gpuws-root").touch()
        self.nonce = secrets.token_hex(16)
        record = {"schema": 1, "name": "demo", "instance": self.nonce}
        (self.folder / "workspace.json").write_text(json.dumps(record) + "\n")

    def kernel_file(self, *ports: int) -> None:
        """As Jupyter writes it for a kernel."""
        runtime = self.folder / "jupyter" / "runtime"
        runtime.mkdir(parents=True)
        names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        text = json.dumps(dict(zip(names, ports, strict=False)), indent=2)
        (runtime / "kernel-1.json").write_text(text)

    @contextlib.contextmanager
    def listening(
        self, *addresses: str, nonce: str | None = None, port: int = 0
    ) -> Iterator[list[int]]:
        """A process with the session's mark, or another one; its ports (0: the system's choice)."""
        with subprocess.Popen(
            [sys.executable, "-c", LISTEN, str(port), *addresses],
            env={**os.environ, "GPUWS_SESSION": nonce or self.nonce},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            yield [int(word) for word in process.stdout.readline().split()]
            assert process.stdin is not None
            process.stdin.close()

    def told(self) -> list[str]:
        return [each.remote for each in open_ports(self.host, root=str(self.root), name="demo")]


@pytest.fixture
def box(shell: tuple[str, ...], tmp_path: Path) -> Box:
    return Box(tmp_path, shell)


def test_each_port_of_the_session_is_told_with_the_way_to_it(box: Box) -> None:
    with box.listening("127.0.0.1", "0.0.0.0", "127.0.0.3") as (loopback, every, other):
        assert set(box.told()) == {str(loopback), str(every), f"127.0.0.3:{other}"}
        [found] = [
            each
            for each in open_ports(box.host, root=str(box.root), name="demo")
            if each.port == every
        ]
        assert "-c" in found.command.split() and "import socket" in found.command
    assert box.told() == []


def test_ipv6_loopback_is_written_as_ssh_takes_it(box: Box) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with box.listening("::1") as (port,):
        assert box.told() == [f"[::1]:{port}"]


def test_a_process_of_another_session_has_nothing_to_do_with_it(box: Box) -> None:
    with box.listening("127.0.0.1", nonce=secrets.token_hex(16)):
        assert box.told() == []


def test_of_a_kernel_neither_jupyters_ports_nor_those_of_the_systems_choice_are_told(
    box: Box,
) -> None:
    """Port 0 is the system's choice; a process that Jupyter gave no port may have one."""
    with (
        box.listening("127.0.0.1", "127.0.0.1") as (given, _),
        box.listening("127.0.0.1") as (own,),
    ):
        box.kernel_file(given)
        assert box.told() == [str(own)]


def test_jupyters_own_port_where_it_has_one_is_none_of_them(box: Box) -> None:
    chosen = next(port for port in range(20000 + os.getpid() % 9000, 30000) if is_free(port))
    with box.listening("127.0.0.1", port=chosen), box.listening("127.0.0.1") as (other,):
        assert set(box.told()) == {str(chosen), str(other)}
        (box.folder / "endpoint").write_text(f"tcp:{chosen} 1700000000\n")
        assert box.told() == [str(other)]
