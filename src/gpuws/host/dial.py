"""From a profile to a connected wire: every address tried, proxy commands watched."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import sanitise
from gpuws.host.wire import Wire
from gpuws.plan.model import Profile

STAGGER = 0.25  # seconds before the next address is tried as well
_PROXY_WORDS = 8 << 10  # bytes of a proxy command's stderr that are kept
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}

_Address = tuple[int, tuple[object, ...]]


def dial(profile: Profile) -> Wire:
    """A wire straight to the host or through its ProxyCommand; jumps are made by connect.

    Raises name-not-resolved, connection-refused, connection-timeout, host-unreachable,
    proxy-command-failed.
    """
    if profile.proxy_command:
        return _through_command(profile, profile.proxy_command)
    deadline = time.monotonic() + profile.connect_timeout
    addresses = _lookup(profile)
    return Wire(_race(profile, addresses, deadline), name=f"{profile.hostname}:{profile.port}")


# --- TCP -----------------------------------------------------------------------------------------


def _lookup(profile: Profile) -> list[_Address]:
    """Addresses in the order to try, families alternating; the resolver has a deadline too."""
    answers: queue.SimpleQueue[list[_Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        family = _FAMILIES.get(profile.address_family, 0)
        try:
            found = socket.getaddrinfo(profile.hostname, profile.port, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            answers.put([(each[0], each[4]) for each in found])

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=profile.connect_timeout)
    except queue.Empty:
        raise _not_resolved(profile, "DNS did not answer", retryable=True) from None
    if isinstance(answer, OSError):
        raise _not_resolved(profile, answer.strerror or str(answer), retryable=False)
    return list(_alternate(answer))


def _alternate(addresses: list[_Address]) -> Iterator[_Address]:
    first = [each for each in addresses if each[0] == addresses[0][0]]
    rest = [each for each in addresses if each[0] != addresses[0][0]]
    for index in range(max(len(first), len(rest))):
        yield from first[index : index + 1]
        yield from rest[index : index + 1]


def _race(profile: Profile, addresses: list[_Address], deadline: float) -> socket.socket:
    """The first address that answers; the next joins after STAGGER or at a failure."""
    results: queue.SimpleQueue[socket.socket | OSError] = queue.SimpleQueue()
    waiting = list(addresses)
    running = 0
    problems: list[OSError] = []
    over = threading.Event()
    try:
        while waiting or running:
            if waiting:
                arguments = (profile, waiting.pop(0), deadline, results, over)
                threading.Thread(target=_try, args=arguments, daemon=True).start()
                running += 1
            left = deadline - time.monotonic()
            try:
                answer = results.get(timeout=max(0, min(STAGGER, left) if waiting else left))
            except queue.Empty:
                if left <= 0:
                    break
                continue
            running -= 1
            if isinstance(answer, socket.socket):
                return answer
            problems.append(answer)
    finally:
        over.set()
    raise _not_connected(profile, problems)


def _try(
    profile: Profile,
    address: _Address,
    deadline: float,
    results: queue.SimpleQueue[socket.socket | OSError],
    over: threading.Event,
) -> None:
    family, where = address
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        results.put(error)
        return
    try:
        _tune(sock)
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        if profile.bind_address:
            sock.bind((profile.bind_address, 0))
        sock.connect(where)
    except OSError as error:
        sock.close()
        results.put(error)
    else:
        if over.is_set():
            sock.close()
        else:
            results.put(sock)


def _tune(sock: socket.socket) -> None:
    """No Nagle (48 ms an exec otherwise), keepalive, and a kernel that gives up after 15 s."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)


# --- ProxyCommand --------------------------------------------------------------------------------


def _through_command(profile: Profile, command: str) -> Wire:
    """The command on one end of a socket pair: its death is the end of the wire, at once."""
    ours, theirs = socket.socketpair()
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(  # noqa: S602 (as ssh: the user's own line, for a shell)
            f"exec {command}" if os.name == "posix" else command,
            shell=True,
            executable=shell if os.name == "posix" and os.access(shell, os.X_OK) else None,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        ours.close()
        raise _proxy_failed(profile, str(error), "") from None
    finally:
        theirs.close()
    words = _Words(process)
    wire = Wire(ours, name=f"{profile.hostname} through ProxyCommand", on_close=words.end)
    wire.explain = words.text
    return wire


class _Words:
    """Reads a proxy command's stderr to its end, keeps the first part, reaps the process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def text(self) -> str:
        self._reader.join(0.3)
        status = self._process.poll()
        said = sanitise(self._kept).strip()
        return said or ("" if status is None else f"it ended with status {status}")

    def end(self) -> None:
        """It has its end of file; a moment to leave by itself, then it is killed and reaped."""
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101 (stderr=PIPE above)
        with contextlib.suppress(OSError, ValueError), stream:
            while block := os.read(stream.fileno(), 4096):
                self._kept = (self._kept + block)[:_PROXY_WORDS]
        self._process.wait()


# --- what went wrong -----------------------------------------------------------------------------


def proxy_failed(profile: Profile, wire: Wire) -> GpuwsError:
    """The error for a wire whose proxy command ended before SSH was spoken."""
    return _proxy_failed(profile, wire.explain(), profile.proxy_command or "")


def _proxy_failed(profile: Profile, said: str, command: str) -> GpuwsError:
    first = said.splitlines()[0] if said else "it ended without a word"
    return GpuwsError(
        "proxy-command-failed",
        f"the ProxyCommand for {profile.alias} failed on this machine: {first}",
        hint=f"try it by hand: {command}" if command else "see ProxyCommand in your ssh config",
        stage="connect",
        detail=said,
        retryable=True,
    )


def _not_resolved(profile: Profile, why: str, *, retryable: bool) -> GpuwsError:
    return GpuwsError(
        "name-not-resolved",
        f"this machine cannot resolve the name {profile.hostname}: {why}",
        hint="check the spelling, the network and the VPN",
        stage="connect",
        retryable=retryable,
    )


def _not_connected(profile: Profile, problems: list[OSError]) -> GpuwsError:
    where = f"{profile.hostname} port {profile.port}"
    if any(isinstance(problem, ConnectionRefusedError) for problem in problems):
        return GpuwsError(
            "connection-refused",
            f"{where} refuses the connection: no SSH server listens there",
            hint="check the port (-p) and that sshd runs on the host",
            stage="connect",
            retryable=True,
        )
    lost = [each for each in problems if not isinstance(each, TimeoutError)]
    if lost:
        return GpuwsError(
            "host-unreachable",
            f"{where} cannot be reached: {lost[0].strerror or lost[0]}",
            hint="check the network and the VPN",
            stage="connect",
            retryable=True,
        )
    return GpuwsError(
        "connection-timeout",
        f"{where} did not answer in {profile.connect_timeout:.0f} s",
        hint="a firewall may drop it; check the address and the VPN, or set ConnectTimeout",
        stage="connect",
        retryable=True,
    )
