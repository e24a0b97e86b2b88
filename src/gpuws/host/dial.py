"""From a profile to a connected wire: every address is tried, the names have a deadline."""

from __future__ import annotations

import errno
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator

from gpuws.errors import GpuwsError
from gpuws.host import proxy_command
from gpuws.host.wire import Wire
from gpuws.plan.model import Profile

STAGGER = 0.25  # seconds before the next address is tried as well
RESOLVE = 15.0  # seconds for the resolver, however long a connection may take
_PAUSE = 1.0  # seconds between ConnectionAttempts, as with ssh
_SO_BINDTODEVICE = 25  # of Linux; its name is new in Python
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}

_Address = tuple[int, tuple[object, ...]]


def dial(profile: Profile) -> Wire:
    """A wire straight to the host or through its ProxyCommand; jumps are made by connect.

    Raises name-not-resolved, connection-refused, connection-timeout, host-unreachable,
    proxy-command-failed.
    """
    if profile.proxy_command:
        return proxy_command.start(profile, profile.proxy_command)
    for _ in range(profile.connection_attempts - 1):
        try:
            return _directly(profile)
        except GpuwsError as error:
            if not error.retryable:
                raise
        time.sleep(_PAUSE)
    return _directly(profile)


# --- TCP -----------------------------------------------------------------------------------------


def _directly(profile: Profile) -> Wire:
    deadline = time.monotonic() + profile.connect_timeout
    addresses = _lookup(profile)
    return Wire(_race(profile, addresses, deadline), name=f"{profile.hostname}:{profile.port}")


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
        answer = answers.get(timeout=min(profile.connect_timeout, RESOLVE))
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
        _bind(sock, profile)
        sock.connect(where)
    except OSError as error:
        sock.close()
        results.put(error)
    else:
        if over.is_set():
            sock.close()
        else:
            results.put(sock)


def _bind(sock: socket.socket, profile: Profile) -> None:
    """Their trouble names them: it is not to be taken for the network's."""
    asked = ""
    try:
        if profile.bind_interface:
            asked = f"BindInterface {profile.bind_interface}"
            _leave_by(sock, profile.bind_interface)
        if profile.bind_address:
            asked = f"BindAddress {profile.bind_address}"
            sock.bind((profile.bind_address, 0))
    except OSError as error:
        raise OSError(error.errno, f"{asked}: {error.strerror}") from None


def _leave_by(sock: socket.socket, interface: str) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "only done on Linux")
    sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")


def _tune(sock: socket.socket) -> None:
    """No Nagle (48 ms an exec otherwise), keepalive, and a kernel that gives up after 15 s."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)


# --- what went wrong -----------------------------------------------------------------------------


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
