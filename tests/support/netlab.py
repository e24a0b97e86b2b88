"""Two machines made of network namespaces: a laptop and a server, joined by one wire. Needs root.

    with network() as lab:
        lab.server.command("sshd", …)    # words that run there
        lab.server.drop_incoming()       # a black hole in one direction
        lab.laptop.lose(0.05); lab.laptop.narrow("256kbit"); lab.roam(); lab.heal()

What was tried: the kernel of a small virtual machine has no netem, so delays come from the fault
proxy. iptables sees segments before they are cut to size, so a rule on the length of a packet also
meets what would have been sent in several. The namespaces are named after the process that made
them: those of a run that was killed are removed by the next one.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")

SERVER = "10.77.0.1"
LAPTOP = ("10.77.0.2", "10.77.0.3")  # at home, and where it roams to
_WIRE = "wire"  # the name of both ends
_PREFIX = "gpuws-"
_CLONE_NEWNET = 0x40000000
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_numbers = itertools.count()


@dataclass(frozen=True)
class Machine:
    """One namespace. Rules are of IPv4, and only of packets that cross the wire."""

    name: str

    def command(self, *words: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name, *words)

    def run(self, *words: str) -> None:
        _run(*self.command(*words))

    def says(self, program: str) -> str:
        """What a Python program prints there."""
        return _run(*self.command(sys.executable, "-c", program))

    def dial(self, address: tuple[str, int], timeout: float = 5.0) -> socket.socket:
        """A connection from this machine; a socket stays where it was made, whoever uses it."""
        return self.inside(lambda: socket.create_connection(address, timeout=timeout))

    def listen(self, host: str, port: int) -> socket.socket:
        return self.inside(lambda: socket.create_server((host, port)))

    def inside(self, act: Callable[[], T]) -> T:
        """``act`` in a thread that has moved into this namespace, and ends there; what it starts
        is there too."""
        results: list[T] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                _enter(Path("/run/netns", self.name))
                results.append(act())
            except Exception as error:  # raised again by the one who waits
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    # --- faults -----------------------------------------------------------------------------------

    def drop_incoming(self) -> None:
        self._rule("INPUT", "-i", _WIRE, "-j", "DROP")

    def drop_outgoing(self) -> None:
        self._rule("OUTPUT", "-o", _WIRE, "-j", "DROP")

    def reset_incoming(self) -> None:
        """Whoever sends to this machine is answered with an RST."""
        refuse = ("REJECT", "--reject-with", "tcp-reset")
        self._rule("INPUT", "-i", _WIRE, "-p", "tcp", "-j", *refuse)

    def lose(self, share: float) -> None:
        """Some of the packets that come in, by chance."""
        chance = ("-m", "statistic", "--mode", "random", "--probability", str(share))
        self._rule("INPUT", "-i", _WIRE, *chance, "-j", "DROP")

    def drop_longer_than(self, size: int) -> None:
        """Packets that come in, without a word: an MTU that nobody is told of. In bytes."""
        self._rule("INPUT", "-i", _WIRE, "-m", "length", "--length", f"{size + 1}:", "-j", "DROP")

    def narrow(self, rate: str) -> None:
        """What it sends: at ``rate`` ("256kbit"), with half a second of queue before it."""
        shape = ("tbf", "rate", rate, "burst", "16kb", "latency", "500ms")
        self.run("tc", "qdisc", "replace", "dev", _WIRE, "root", *shape)

    def unplug(self) -> None:
        self.run("ip", "link", "set", _WIRE, "down")

    def plug_in(self) -> None:
        self.run("ip", "link", "set", _WIRE, "up")

    def heal(self) -> None:
        self.run("iptables", "-F")
        _quiet(*self.command("tc", "qdisc", "del", "dev", _WIRE, "root"))
        self.plug_in()

    def dropped(self) -> int:
        """Packets that met a rule of incoming ones."""
        listed = _quiet(*self.command("iptables", "-vxnL", "INPUT")).stdout.splitlines()[2:]
        return sum(int(line.split()[0]) for line in listed)

    def _rule(self, chain: str, *words: str) -> None:
        self.run("iptables", "-I", chain, *words)


@dataclass(frozen=True)
class Network:
    """Both machines. ``boot_id`` is what programs of the server read as the kernel's."""

    laptop: Machine
    server: Machine
    boot_id: Path

    def on_server(self) -> tuple[str, ...]:
        """The words before a command of the server, which then sees ``boot_id``."""
        mount = f'mount --bind "$0" {_BOOT_ID} && exec "$@"'
        return self.server.command("sh", "-c", mount, str(self.boot_id))

    def new_boot(self) -> None:
        """As after a reboot; whatever ran is for the caller to end."""
        self.boot_id.write_text(f"{uuid.uuid4()}\n")

    def roam(self) -> None:
        """The laptop has another address; the old one is gone."""
        self._address(LAPTOP[1])

    def heal(self) -> None:
        self.laptop.heal()
        self.server.heal()
        self._address(LAPTOP[0])

    def _address(self, address: str) -> None:
        self.laptop.run("ip", "-4", "addr", "flush", "dev", _WIRE)
        self.laptop.run("ip", "addr", "add", f"{address}/24", "dev", _WIRE)


@contextlib.contextmanager
def network(folder: Path) -> Iterator[Network]:
    """Removed with the block. End what runs in it before. ``folder``: for a file or two."""
    _needs()
    _remove_orphans()
    tag = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
    laptop, server = Machine(f"{tag}-laptop"), Machine(f"{tag}-server")
    boot_id = folder / "boot_id"
    boot_id.write_text(Path(_BOOT_ID).read_text())
    try:
        for machine in (laptop, server):
            _run("ip", "netns", "add", machine.name)
        ends = ("type", "veth", "peer", "name", _WIRE, "netns", server.name)
        _run("ip", "link", "add", _WIRE, "netns", laptop.name, *ends)
        for machine, address in ((laptop, LAPTOP[0]), (server, SERVER)):
            machine.run("ip", "addr", "add", f"{address}/24", "dev", _WIRE)
            machine.run("ip", "link", "set", "lo", "up")
            machine.plug_in()
        yield Network(laptop, server, boot_id)
    finally:
        for machine in (laptop, server):
            _quiet("ip", "netns", "del", machine.name)


@contextlib.contextmanager
def row(count: int) -> Iterator[list[Machine]]:
    """Machines in a row, each on a wire with the next and with no other: ``address_in_row(n)`` is
    that of machine n as machine n - 1 sees it. Removed with the block."""
    _needs()
    _remove_orphans()
    tag = f"{_PREFIX}{os.getpid()}-{next(_numbers)}"
    machines = [Machine(f"{tag}-row{number}") for number in range(count)]
    try:
        for machine in machines:
            _run("ip", "netns", "add", machine.name)
            machine.run("ip", "link", "set", "lo", "up")
        for number, (left, right) in enumerate(itertools.pairwise(machines), 1):
            ends = ("type", "veth", "peer", "name", "back", "netns", right.name)
            _run("ip", "link", "add", "on", "netns", left.name, *ends)
            for machine, name, last in ((left, "on", 1), (right, "back", 2)):
                machine.run("ip", "addr", "add", f"10.78.{number}.{last}/24", "dev", name)
                machine.run("ip", "link", "set", name, "up")
        yield machines
    finally:
        for machine in machines:
            _quiet("ip", "netns", "del", machine.name)


def address_in_row(number: int) -> str:
    return f"10.78.{number}.2"


def _needs() -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    missing = [name for name in ("ip", "tc", "iptables") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: apt install iproute2 iptables)")


def _remove_orphans() -> None:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name = line.split()[0]
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdigit() and not Path("/proc", pid).exists():
            _quiet("ip", "netns", "del", name)


def _enter(namespace: Path) -> None:
    """Move the calling thread, and only that, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open() as handle:
        if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def _run(*words: str) -> str:
    done = _quiet(*words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def _quiet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )
