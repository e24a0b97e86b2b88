"""Ports that a workspace's processes have opened, noticed while somebody looks at it."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from gpuws.engines.ports import open_ports
from gpuws.errors import GpuwsError
from gpuws.keeper.line import Line
from gpuws.plan.open_ports import OpenPort

_EVERY = 10.0  # seconds between two questions to the host
_log = logging.getLogger("gpuws.keeper")


@dataclass(frozen=True)
class _Seen:
    at: float  # time.monotonic()
    ports: tuple[OpenPort, ...] = ()


class Noticing:
    """Asks when it is asked, and not more often than every 10 s, whoever looks."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def ports(self, name: str) -> tuple[OpenPort, ...]:
        """As they were at most 10 s ago; nothing where the host cannot be asked."""
        now, host, reach = time.monotonic(), self._line.host, self._line.reach
        with self._lock:
            seen = self._seen.get(name)
            if seen and now - seen.at < _EVERY:
                return seen.ports
            self._seen[name] = _Seen(now, seen.ports if seen else ())
        if host is None or reach is None or not self._line.alive():
            return ()
        try:
            found = open_ports(host, root=reach.entry.root or "", name=name)
        except GpuwsError as error:
            _log.warning("the open ports could not be asked for: %s", error.message)
            found = ()
        self._seen[name] = _Seen(now, found)
        return found
