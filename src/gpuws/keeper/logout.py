"""The end of a login that a background process holds."""

from __future__ import annotations

from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.keeper import wire as wires
from gpuws.keeper.wire import Wire

_ANSWERS = 5.0  # seconds: it has nothing to wait for


@dataclass(frozen=True)
class LoggedOut:
    host: str
    closed: tuple[str, ...]  # workspaces whose tunnel went with it


def log_out(key: str) -> LoggedOut | None:
    """The one of a host, whatever it is held for; None where there is none."""
    return _end(key, "all")


def log_out_everywhere() -> list[LoggedOut]:
    """Every login that is kept. A tunnel that needs nobody to be made again stays."""
    return [done for key in wires.known() if (done := _end(key, "kept"))]


def _end(key: str, which: str) -> LoggedOut | None:
    """Returns when the process is gone."""
    wire = wires.dial(key)
    if wire is None:
        return None
    try:
        wire.send({"log_out": which})
        answer = wires.parse(_next(wire))["result"]
        if not answer["ended"]:
            return None
        _wait_for_the_end(wire)
    finally:
        wire.close()
    return LoggedOut(answer["host"], tuple(answer["closed"]))


def _next(wire: Wire) -> bytes:
    block = wire.receive() if wire.wait(_ANSWERS) else None
    if block is None:
        raise GpuwsError(
            "bug",
            "the background process that holds the login does not answer",
            hint="end the process `python -m gpuws.keeper` by hand",
        )
    return block


def _wait_for_the_end(wire: Wire) -> None:
    while wire.wait(_ANSWERS) and wire.receive() is not None:
        pass
