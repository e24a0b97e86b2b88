"""The ports of a host that lead to this laptop, as long as anybody wants its forwards."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from gpuws.errors import GpuwsError
from gpuws.plan.model import ReverseForward
from gpuws.plan.ports import Host

if TYPE_CHECKING:
    from gpuws.tunnel.reverse import Reverse

_EVERY = 5.0  # seconds between two questions for a port that the host still has in use
_log = logging.getLogger("gpuws.keeper")


class Reverses:
    """What the last one who came through wants counts: a host has one hosts.yaml entry."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[ReverseForward, Reverse] = {}
        self._leading: set[ReverseForward] = set()  # over ``_host``
        self._host: Host | None = None
        self._next_try = 0.0  # time.monotonic()

    def lead(self, host: Host, wanted: tuple[ReverseForward, ...]) -> list[GpuwsError]:
        """Why some of them do not lead here: those are not tried again by themselves."""
        with self._lock:
            for each in [each for each in self._known if each not in wanted]:
                self._end(each)
            refused = self._ask(host, wanted)
            for each in refused:
                self._end(each)
            return list(refused.values())

    def resume(self, host: Host) -> None:
        """The same over a new connection. A server that has not noticed the end of the old one
        still has the port in use, so what it refuses is asked for again."""
        with self._lock:
            due = self._host is not host or time.monotonic() >= self._next_try
            if due and (self._host is not host or len(self._leading) < len(self._known)):
                for each, error in self._ask(host, tuple(self._known)).items():
                    _log.warning("%s: %s", each.name, error.message)

    def leading(self, host: Host | None) -> dict[ReverseForward, bool]:
        """Every one that is wanted; whether it leads here over this connection."""
        with self._lock:
            here = self._leading if host is not None and self._host is host else set()
            return {each: each in here for each in self._known}

    def _ask(
        self, host: Host, wanted: tuple[ReverseForward, ...]
    ) -> dict[ReverseForward, GpuwsError]:
        from gpuws.tunnel.reverse import Reverse

        if self._host is not host:
            self._host, self._leading = host, set()
        self._next_try = time.monotonic() + _EVERY
        refused = {}
        for each in [each for each in wanted if each not in self._leading]:
            reverse = self._known.get(each) or Reverse(each.local_port)
            self._known[each] = reverse
            try:
                host.lead_here(each.remote_port, reverse.arrived)
                self._leading.add(each)
            except GpuwsError as error:
                refused[each] = error
        return refused

    def _end(self, each: ReverseForward) -> None:
        self._known.pop(each).close()
        if each in self._leading and self._host is not None:
            self._leading.discard(each)
            self._host.lead_nowhere(each.remote_port)

    def close(self) -> None:
        with self._lock:
            for each in tuple(self._known):
                self._end(each)
