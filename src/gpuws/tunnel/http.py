"""What gpuws asks a running Jupyter server over HTTP, on one stream."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gpuws.errors import GpuwsError
from gpuws.plan.ports import Stream
from gpuws.tunnel.http1 import Answers, Response, ask, request

INSTANCE_HEADER = "X-Gpuws-Instance"
"""Sent by our own Jupyter with every answer; its value is the workspace's ``instance``."""

_LOGS = "see `gpuws logs`; `gpuws up --restart` starts it anew"
_PLAIN = re.compile(r"[\w .:+-]{0,100}", re.ASCII)


@dataclass(frozen=True)
class Kernel:
    """One entry of /api/kernels. ``last_activity`` is ISO 8601, UTC, as Jupyter says it."""

    id: str
    name: str
    state: str  # idle | busy | starting | …
    last_activity: str


class Knock:
    """Proves on one stream that this is our Jupyter, that it knows our token and wants it.

    ``base_url`` begins and ends with "/". The first question has no token, so that it may be asked
    before it is known who answers; with a ``token`` the second one follows in the same flight.
    Every method raises GpuwsError: ``jupyter-not-ours`` (wrong instance, token refused),
    ``jupyter-open`` (answers without a token), ``jupyter-timeout`` with ``retryable`` set (it does
    not answer, or not yet).
    """

    def __init__(
        self, stream: Stream, base_url: str, token: str = "", *, timeout: float = 10.0
    ) -> None:
        self._stream = stream
        self._path = f"{base_url}api/status"
        self._token = token
        with _not_answering():
            self._answers = Answers(stream, timeout)
            second = ask("GET", self._path, token=token) if token else b""
            stream.sendall(ask("GET", self._path) + second)

    def is_ours(self, instance: str) -> None:
        """It is the workspace's, and refuses whoever has no token."""
        with _not_answering():
            answer = self._answers.read()
        _check_closed(answer)
        _check_instance(answer, instance)

    def takes(self, token: str, instance: str) -> None:
        """It takes our token. To be asked after ``is_ours``."""
        with _not_answering():
            if token != self._token:
                self._stream.sendall(ask("GET", self._path, token=token))
            answer = self._answers.read()
        _check_ours(answer, instance)


@contextlib.contextmanager
def _not_answering() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:  # BadAnswer is an OSError
        raise _not_yet(str(error) or type(error).__name__) from error


def _not_yet(why: str) -> GpuwsError:
    message = f"Jupyter on the host does not answer through the tunnel: {why}"
    return GpuwsError("jupyter-timeout", message, hint=_LOGS, stage="jupyter", retryable=True)


def _check_ours(answer: Response, instance: str) -> None:
    if answer.status >= 500:
        raise _not_yet(f"HTTP {answer.status}")
    if answer.status == 200 and answer.headers.get(INSTANCE_HEADER.lower()) == instance:
        return
    if answer.status == 403:
        reason = "refuses our token"
    elif answer.status == 200:
        reason = "is not the one that gpuws started"
    else:
        reason = f"answers HTTP {answer.status} where Jupyter would say 200"
    message = f"the server behind the tunnel {reason}"
    raise GpuwsError("jupyter-not-ours", message, hint=_LOGS, stage="jupyter")


def _check_instance(answer: Response, instance: str) -> None:
    if answer.headers.get(INSTANCE_HEADER.lower()) != instance:
        message = "the server behind the tunnel is not the one that gpuws started"
        raise GpuwsError("jupyter-not-ours", message, hint=_LOGS, stage="jupyter")


def _check_closed(answer: Response) -> None:
    if answer.status >= 500:
        raise _not_yet(f"HTTP {answer.status}")
    if answer.status == 403:
        return
    message = f"Jupyter answers HTTP {answer.status} to a request without a token; it must say 403"
    hint = "look for an empty token, a password or an identity provider in its configuration"
    raise GpuwsError("jupyter-open", message, hint=hint, stage="jupyter")


def last_activity(stream: Stream, base_url: str, token: str, *, timeout: float = 10.0) -> float:
    """When the server, a kernel or a terminal last did something: seconds since the epoch, by the
    host's clock. To be asked is no activity; neither is a kernel that computes and prints nothing.

    Raises GpuwsError(jupyter-not-ours | jupyter-timeout).
    """
    told = _asked(stream, f"{base_url}api/status", token, timeout)
    said = told.get("last_activity") if isinstance(told, dict) else None
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
        if at.tzinfo is not None:
            return at.timestamp()
    raise _strange("no time of its last activity")


def kernels(
    stream: Stream, base_url: str, token: str, *, timeout: float = 10.0
) -> tuple[Kernel, ...]:
    """All kernels of the server. Raises GpuwsError(jupyter-not-ours | jupyter-timeout)."""
    return tuple(map(_kernel, _listed(stream, f"{base_url}api/kernels", token, timeout)))


def busy_kernels(
    stream: Stream, base_url: str, token: str, *, timeout: float = 10.0
) -> tuple[Kernel, ...]:
    """The kernels that are computing now: what a stop would interrupt."""
    found = kernels(stream, base_url, token, timeout=timeout)
    return tuple(kernel for kernel in found if kernel.state == "busy")


def terminals(stream: Stream, base_url: str, token: str, *, timeout: float = 10.0) -> int:
    """How many terminals are open; 0 where the server has none to offer."""
    return len(_listed(stream, f"{base_url}api/terminals", token, timeout, absent=404))


def _listed(stream: Stream, path: str, token: str, timeout: float, absent: int = 0) -> list[object]:
    value = _asked(stream, path, token, timeout, absent)
    if not isinstance(value, list):
        raise _strange(f"no list for {path.rsplit('/', 1)[-1]}")
    return value


def _asked(stream: Stream, path: str, token: str, timeout: float, absent: int = 0) -> object:
    """The JSON value; an empty list for the status ``absent``."""
    try:
        answer = request(stream, "GET", path, token=token, timeout=timeout)
        value = answer.json() if answer.status == 200 else None
    except (OSError, EOFError) as error:
        raise _not_yet(str(error) or type(error).__name__) from error
    if answer.status == absent:
        return []
    if answer.status != 200:
        raise _strange(f"HTTP {answer.status} for {path.rsplit('/', 1)[-1]}")
    return value


def _kernel(entry: object) -> Kernel:
    if not isinstance(entry, dict):
        raise _strange("a kernel that is no object")
    words = [entry.get(key, "") for key in ("id", "name", "execution_state", "last_activity")]
    if not all(isinstance(word, str) and _PLAIN.fullmatch(word) for word in words):
        raise _strange("a kernel with unprintable names")
    return Kernel(*words)


def _strange(what: str) -> GpuwsError:
    message = f"the server behind the tunnel gave {what}, which Jupyter would not"
    return GpuwsError("jupyter-not-ours", message, hint=_LOGS, stage="jupyter")
