"""The key exchange, with a deadline, and what to say where it fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import paramiko

from gpuws.errors import GpuwsError
from gpuws.host.algorithms import Offers
from gpuws.host.sanitise import one_line
from gpuws.host.transport import Transport, Unproved
from gpuws.host.wire import Wire

_FULL, _BANNED = b"Exceeded MaxStartups", b"Not allowed at this time"  # OpenSSH, without a banner


def handshake(wire: Wire, key_types: tuple[str, ...], deadline: float) -> Transport:
    """Exchange keys. The host key is not checked yet: nothing secret may be sent before it is.

    Raises not-ssh, no-common-algorithm, connection-timeout, connection-lost, host-key-changed.
    """
    transport = Transport(wire, key_types)
    transport.daemon = True
    wire.expire_in(deadline)
    done = threading.Event()
    transport.start_client(event=done)
    while not done.wait(0.2) and transport.is_active():
        pass
    wire.relax()
    if transport.is_active() and not wire.expired:
        return transport
    trouble = transport.get_exception()
    wire.close()
    if isinstance(trouble, paramiko.ssh_exception.IncompatiblePeer):
        raise _nothing_shared(wire, trouble, transport.offers)
    raise _why(wire, trouble, deadline)


def _nothing_shared(wire: Wire, trouble: BaseException, offers: Iterable[Offers]) -> GpuwsError:
    apart = list(dict.fromkeys(each for each in offers if not each.fit))
    if not apart:  # another version of SSH, or compression
        return _connect_error("no-common-algorithm", f"{wire.name}: {one_line(str(trouble))}")
    lacking = " and no ".join(dict.fromkeys(each.what for each in apart))
    lists = ", ".join(dict.fromkeys(each.keyword for each in apart))
    return GpuwsError(
        "no-common-algorithm",
        f"{wire.name} and gpuws share no {lacking}",
        hint=f"add one of gpuws's to {lists} in the server's sshd_config, "
        "or try --transport openssh",
        stage="connect",
        detail="\n".join(map(str, apart)),
    )


def _why(wire: Wire, trouble: BaseException | None, deadline: float) -> GpuwsError:
    head = one_line(wire.head, 120)
    if isinstance(trouble, Unproved):
        said = f"{wire.name} did not prove that it has the host key it shows; nothing was sent"
        return _connect_error("host-key-changed", said)
    if wire.spoke_ssh() and wire.expired:
        said = f"{wire.name} ({head}) did not finish the key exchange in {deadline:.0f} s"
        return _connect_error("connection-timeout", said, retryable=True)
    if wire.spoke_ssh():
        said = f"{wire.name} ({head}) closed the connection: {one_line(str(trouble or ''))}"
        return _connect_error("connection-lost", said, retryable=True)
    if wire.head.startswith(_FULL):
        said = f"{wire.name} takes no more logins at once ({head})"
        return _connect_error("connection-lost", said, retryable=True)
    if wire.head.startswith(_BANNED):
        said = f"{wire.name} refuses this address for a while ({head}: PerSourcePenalties)"
        return _connect_error("connection-lost", said, retryable=True)
    if wire.head:
        return _connect_error("not-ssh", f"{wire.name} is not an SSH server; it says: {head}")
    if wire.expired:
        said = f"{wire.name} accepts connections and says nothing for {deadline:.0f} s"
        return _connect_error("not-ssh", said, retryable=True)
    said = (
        f"{wire.name} closed the connection before a word (too many logins at once: MaxStartups; "
        "or a ban)"
    )
    return _connect_error("connection-lost", said, retryable=True)


def _connect_error(code: str, message: str, *, retryable: bool = False) -> GpuwsError:
    hints = {
        "not-ssh": "check the port (-p): a proxy, a web server or a captive portal may answer",
        "no-common-algorithm": "the server is too old or too strict; try --transport openssh",
        "host-key-changed": "someone may be in between: try from another network",
    }
    hint = hints.get(code, "wait a moment and try again")
    return GpuwsError(code, message, hint=hint, stage="connect", retryable=retryable)
