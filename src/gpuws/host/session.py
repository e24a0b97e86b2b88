"""One script on one session channel: sent framed, read back between its sentinels."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from gpuws.errors import GpuwsError
from gpuws.host.carrier import SessionChannel
from gpuws.host.sanitise import one_line, sanitise
from gpuws.host.script import REMOTE_COMMAND, frame, on_the_line, unframe
from gpuws.plan.ports import Reply, Script

_NOISE = 4000  # bytes of what came instead of the script's output, kept for the error
_STDERR = 4 << 20
_GRACE = 0.25  # seconds for the end of stderr once the closing sentinel is there


def run(
    channel: SessionChannel,
    script: Script,
    args: tuple[str, ...],
    *,
    timeout: float,
    cap: int,
    data: Iterable[bytes] | None = None,
    in_sight: bool = False,
) -> Reply:
    """Run it to its end. ``data`` follows the script on its stdin; ``timeout`` begins anew with
    whatever the host takes; ``in_sight``: the script may travel in the command line.

    Raises remote-timeout, remote-shell (no closing sentinel), connection-lost.
    """
    sentinel = secrets.token_hex(16)
    framed = frame(script, args, sentinel)
    channel.settimeout(timeout)
    line = on_the_line(framed) if in_sight else None
    if not channel.started:
        channel.start(line or (REMOTE_COMMAND if data is None else counted(len(framed))))
    collected = _Collector(channel, sentinel, cap)
    taken = _send(channel, () if line else chain((framed,), data or ()))
    finished = collected.wait(timeout if taken else 0.0)
    reply = unframe(collected.out(), sentinel, collected.err())
    if reply is not None:
        return replace(reply, before=collected.before())
    if not finished:
        raise too_slow(script.name, timeout) if collected.began else stuck(script.name, timeout)
    if channel.refused:
        raise no_commands("it refuses to run any")
    if not channel.connected():
        raise lost(script.name)
    raise no_answer(script.name, collected.began, collected.noise(), channel.outcome(3.0))


def counted(size: int) -> str:
    """A command for any login shell that evaluates ``size`` bytes of stdin and leaves the rest."""
    return f"exec /bin/sh -c '{evaluating(size)}'"


def evaluating(size: int) -> str:
    """The same for a POSIX shell."""
    return f'eval "$(dd bs=1 count={size} 2>/dev/null)"'


def _send(channel: SessionChannel, parts: Iterable[bytes]) -> bool:
    """Send while the collector reads; False where the host takes nothing for too long.

    A host that ended it has said why, or never will. What ``parts`` raises goes on.
    """
    for part in parts:
        try:
            channel.sendall(part)
        except (OSError, EOFError) as error:
            return not isinstance(error, TimeoutError)
    with contextlib.suppress(OSError, EOFError):
        channel.shutdown_write()
    return True


class _Collector:
    """Two readers, so that neither stream ever blocks the other. Keeps a head and a tail."""

    def __init__(self, channel: SessionChannel, mark: str, cap: int) -> None:
        self._channel = channel
        self._begin = f"\n{mark} begin\n".encode()
        self._end = f"\n{mark} end ".encode()
        self._half = max(cap // 2, 256)
        self._early = b""  # the first of what came before the opening sentinel
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._errors = bytearray()
        self._done = threading.Event()
        self.began = False
        self._err_reader = threading.Thread(target=self._read_err, daemon=True)
        self._err_reader.start()
        threading.Thread(target=self._read_out, daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Until the closing sentinel or the end of the stream; False after so many seconds."""
        finished = self._done.wait(seconds)
        self._err_reader.join(_GRACE)
        return finished

    def out(self) -> bytes:
        if not self.began:
            return b""
        middle = f"\n[{self._left_out} bytes left out]\n".encode() if self._left_out else b""
        return self._begin + bytes(self._head) + middle + bytes(self._tail)

    def before(self) -> str:
        """What came instead of silence before the opening sentinel, made inert."""
        return sanitise(self._early.partition(self._begin)[0], _NOISE).strip()

    def err(self) -> bytes:
        return bytes(self._errors)

    def noise(self) -> str:
        """What came instead of an answer, made inert."""
        kept = bytes(self._head[:_NOISE]) if self.began else self._early
        return (sanitise(kept, _NOISE) or sanitise(self.err()[:_NOISE], _NOISE)).strip()

    def _read_out(self) -> None:
        recent = b""
        for block in _blocks(self._channel.recv):
            if self.began:
                self._keep(block)
            else:
                recent = self._look_for_begin(recent, block)
            if self._ended():
                break
        self._done.set()

    def _look_for_begin(self, recent: bytes, block: bytes) -> bytes:
        if len(self._early) < _NOISE:
            self._early += block[: _NOISE - len(self._early)]
        _, found, rest = (recent + block).partition(self._begin)
        if found:
            self.began = True
            self._keep(rest)
        return (recent + block)[-len(self._begin) :]

    def _keep(self, data: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * self._half:  # not at every block: that would move memory
            excess = len(self._tail) - self._half
            self._left_out += excess
            del self._tail[:excess]

    def _ended(self) -> bool:
        last = self._tail[-200:] if len(self._tail) >= 200 else self._head[-200:] + self._tail
        _, found, status = bytes(last).rpartition(self._end)
        return bool(found) and b"\n" in status

    def _read_err(self) -> None:
        for block in _blocks(self._channel.recv_stderr):
            if len(self._errors) < _STDERR:
                self._errors += block[: _STDERR - len(self._errors)]


def _blocks(recv: Callable[[int], bytes]) -> Iterator[bytes]:
    """Until the end of the stream. Silence is none: a script that is fed for an hour may have
    nothing to say; whoever waits for it has the deadline, and closes the channel then."""
    while True:
        try:
            block = recv(64 << 10)
        except TimeoutError:
            continue
        except (OSError, EOFError):
            return
        if not block:
            return
        yield block


# --- what went wrong -----------------------------------------------------------------------------


def lost(what: str) -> GpuwsError:
    return GpuwsError(
        "connection-lost",
        f"the connection to the host ended during {what}",
        hint="run the same command again: it goes on where it was",
        retryable=True,
    )


def too_slow(what: str, timeout: float) -> GpuwsError:
    return GpuwsError(
        "remote-timeout",
        f"{what} did not end on the host within {timeout:g} s",
        hint="the host may be overloaded or hang on a network file system; look with: ssh HOST",
        retryable=True,
    )


def stuck(what: str, timeout: float) -> GpuwsError:
    return GpuwsError(
        "remote-timeout",
        f"the login shell of the host did not come to {what} within {timeout:g} s",
        hint="a start-up file such as ~/.bashrc may wait for something there, or the server runs "
        "its own command (ForceCommand); look with: ssh HOST",
        retryable=True,
    )


def no_commands(said: str) -> GpuwsError:
    return GpuwsError(
        "remote-shell",
        f"the server runs no commands for this account: {said}",
        hint="gpuws needs a shell on the host; a gateway may only lead on to it: use the address "
        "of the machine itself",
    )


def no_answer(what: str, began: bool, said: str, status: int | None) -> GpuwsError:
    """The closing sentinel never came: success is that sentinel, never a status of 0."""
    if "password change required" in said.lower():
        return GpuwsError(
            "authentication-failed",
            "the password for this login has expired, and the host runs nothing before it is new",
            hint="log in by hand to change it: ssh HOST",
            detail=said,
        )
    end = "" if status is None else f" (status {status})"
    if began:
        why = f"{what} was cut off on the host{end}"
        hint = "something on the host ended it: memory limits, or an administrator's rule"
    elif said:
        why = f"the host runs something else than our command{end}: {one_line(said, 200)}"
        hint = (
            "the server runs its own command (ForceCommand), the account has no shell, or a "
            "start-up file such as ~/.bashrc runs another program"
        )
    else:
        why = f"the login shell ended before our command ran{end}"
        hint = "a start-up file such as ~/.bashrc may call exit, or the account has no shell"
    return GpuwsError("remote-shell", why, hint=hint, detail=said)
