"""The forwards over one line, by workspace name. They outlive its connections."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpuws.errors import GpuwsError
from gpuws.keeper.line import Line
from gpuws.plan.model import Target
from gpuws.plan.ports import Flow, Host, Sink

if TYPE_CHECKING:
    from gpuws.tunnel.ahead import Ahead
    from gpuws.tunnel.connection import OpenFlow
    from gpuws.tunnel.forward import Forward


@dataclass
class Held:
    """A workspace's forward, where it leads, and why it leads nowhere."""

    forward: Forward
    target: Target
    host: Host  # the connection that carries it
    fault: str = ""


class HeldForwards:
    """The Forwards of a World."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.held: dict[str, Held] = {}

    def open(
        self,
        name: str,
        target: Target,
        *,
        port: int | None,
        wanted: int,
        ahead: Ahead | None = None,
    ) -> int:
        from gpuws.tunnel.forward import open_forward

        host = self._line.host
        if host is None:
            raise GpuwsError("connection-lost", "there is no connection to the host")
        open_flow = ahead or (lambda sink: host.open_flow(target, sink))
        known = self.held.get(name)
        if known and port in (None, known.forward.local_port):
            known.forward.retarget(open_flow)
            known.target, known.host, known.fault = target, host, ""
            return known.forward.local_port
        forward = open_forward(open_flow, port, wanted=wanted)
        if known:
            known.forward.close()
        self.held[name] = Held(forward, target, host)
        return forward.local_port

    def resume(self, host: Host) -> bool:
        """Every forward goes on over this connection, with the clients that waited for it; whether
        there was one that did not use it already."""
        behind = [each for each in tuple(self.held.values()) if each.host is not host]
        for held in behind:
            held.host = host
            held.forward.retarget(_flows(host, held.target))
        return bool(behind)

    def port(self, name: str) -> int | None:
        held = self.held.get(name)
        return held.forward.local_port if held else None

    def tunnel(self, name: str) -> dict[str, Any] | None:
        """Its health, as `status --json` tells it; None where none is open."""
        held, link, now = self.held.get(name), self._line.link, time.monotonic()
        if held is None:
            return None
        host, stats = self._line.host, held.forward.stats()
        return {
            "local_port": held.forward.local_port,
            "state": "paused" if held.fault else link.state,
            "heard_s": round(now - host.last_heard(), 1) if host else None,
            "latency_ms": round(host.latency() * 1000, 1) if host else 0.0,
            "bytes_in": stats.bytes_in,
            "bytes_out": stats.bytes_out,
            "connections": stats.open + stats.waiting,
            "reconnects": max(0, self._line.connections - 1),
            "try": link.tries,
            "next_s": round(max(0.0, link.next_at - now), 1) if link.next_at else 0.0,
            "reason": held.fault or link.reason,
            "since_s": round(now - link.since, 1),
        }

    def outage(self) -> str:
        """Why the host cannot be asked now, while its connection is being made again; "" else."""
        link = self._line.link
        return "" if link.state == "open" else link.reason or "the connection is being made again"

    def close(self, name: str) -> bool:
        held = self.held.pop(name, None)
        if held:
            held.forward.close()
        return held is not None

    def close_all(self) -> None:
        for name in tuple(self.held):
            self.close(name)


def _flows(host: Host, target: Target) -> OpenFlow:
    from gpuws.tunnel.ahead import FAR, Ahead

    def plain(sink: Sink) -> Flow:
        return host.open_flow(target, sink)

    return Ahead(plain, host.last_heard) if host.distance() > FAR else plain
