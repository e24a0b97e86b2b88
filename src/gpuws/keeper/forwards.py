"""The forwards over one line, by workspace and name. They outlive its connections."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gpuws.errors import GpuwsError
from gpuws.keeper.line import Line
from gpuws.keeper.noticing import Noticing
from gpuws.keeper.reverses import Reverses
from gpuws.plan.forwards import JUPYTER, told
from gpuws.plan.healing import Link
from gpuws.plan.model import NamedForward, ReverseForward, Target
from gpuws.plan.open_ports import not_led_to
from gpuws.plan.ports import FAR, Flow, Host, Sink

if TYPE_CHECKING:
    from gpuws.tunnel.ahead import Ahead
    from gpuws.tunnel.connection import OpenFlow
    from gpuws.tunnel.forward import Forward


@dataclass
class Held:
    """A forward of a workspace, where it leads, and why it leads nowhere."""

    forward: Forward
    target: Target
    host: Host  # the connection that carries it
    fault: str = ""


class HeldForwards:
    """The Forwards of a World."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._noticing = Noticing(line)
        self._reverses = Reverses()
        self.held: dict[tuple[str, str], Held] = {}  # by workspace and name of the forward

    def open(
        self,
        name: str,
        target: Target,
        *,
        port: int | None,
        wanted: int,
        ahead: Ahead | None = None,
        forward: str = JUPYTER,
    ) -> int:
        from gpuws.tunnel.forward import open_forward

        host = self._line.host
        if host is None:
            raise GpuwsError("connection-lost", "there is no connection to the host")
        open_flow = ahead or (lambda sink: host.open_flow(target, sink))
        known = self.held.get((name, forward))
        if known and port in (None, known.forward.local_port):
            known.forward.retarget(open_flow)
            known.target, known.host, known.fault = target, host, ""
            return known.forward.local_port
        made = open_forward(open_flow, port, wanted=wanted)
        if known:
            known.forward.close()
        self.held[name, forward] = Held(made, target, host)
        return made.local_port

    def resume(self, host: Host) -> bool:
        """Every forward goes on over this connection, with the clients that waited for it; whether
        there was one that did not use it already."""
        behind = [pair for pair in tuple(self.held.items()) if pair[1].host is not host]
        for (_, forward), held in behind:
            held.host = host
            held.forward.retarget(_flows(host, held.target, spare=forward == JUPYTER))
        self._reverses.resume(host)
        return bool(behind)

    def lead_back(self, wanted: tuple[ReverseForward, ...]) -> list[GpuwsError]:
        """Ports of the host that lead to this laptop; why some of them do not."""
        host = self._line.host
        return self._reverses.lead(host, wanted) if host else []

    def led_back(self) -> list[dict[str, Any]]:
        """Those that are wanted, as `status --json` lists them."""
        link = self._line.link
        waiting = "refused" if link.state == "open" else link.state
        return [
            {**asdict(each), "state": "open" if leads and link.state == "open" else waiting}
            for each, leads in self._reverses.leading(self._line.host).items()
        ]

    def port(self, name: str) -> int | None:
        held = self.held.get((name, JUPYTER))
        return held.forward.local_port if held else None

    def tunnel(self, name: str) -> dict[str, Any] | None:
        """Its health, as `status --json` tells it; None where none is open."""
        held, link, now = self.held.get((name, JUPYTER)), self._line.link, time.monotonic()
        if held is None:
            return None
        host = self._line.host
        return {
            **_counted(held, link),
            "heard_s": round(now - host.last_heard(), 1) if host else None,
            "latency_ms": round(host.latency() * 1000, 1) if host else 0.0,
            "reconnects": max(0, self._line.connections - 1),
            "try": link.tries,
            "next_s": round(max(0.0, link.next_at - now), 1) if link.next_at else 0.0,
            "since_s": round(now - link.since, 1),
        }

    def more(self, name: str) -> list[dict[str, Any]]:
        """Its other forwards, as `status --json` lists them."""
        return [
            {**told(NamedForward(forward, held.target)), **_counted(held, self._line.link)}
            for (workspace, forward), held in tuple(self.held.items())
            if workspace == name and forward != JUPYTER
        ]

    def noticed(self, name: str) -> list[dict[str, Any]]:
        """Ports that its processes opened and that no forward of it leads to; none of a workspace
        that nobody has open here, and one question every 10 s at most."""
        if not self.holds(name) or self._line.link.state != "open":
            return []
        led = (each["remote"] for each in self.more(name))
        return [asdict(each) for each in not_led_to(self._noticing.ports(name), led)]

    def outage(self) -> str:
        """Why the host cannot be asked now, while its connection is being made again; "" else."""
        link = self._line.link
        return "" if link.state == "open" else link.reason or "the connection is being made again"

    def holds(self, name: str) -> bool:
        return any(workspace == name for workspace, _ in tuple(self.held))

    def close(self, name: str, forward: str | None = None) -> bool:
        """That one, or all of the workspace; whether one was open."""
        ending = [key for key in tuple(self.held) if key[0] == name and forward in (None, key[1])]
        for key in ending:
            held = self.held.pop(key, None)
            if held:
                held.forward.close()
        return bool(ending)

    def close_all(self) -> None:
        self._reverses.close()
        for name, _ in tuple(self.held):
            self.close(name)


def _counted(held: Held, link: Link) -> dict[str, Any]:
    """What `status --json` says of each forward."""
    stats = held.forward.stats()
    refusal = stats.last_error if stats.refusing else ""
    return {
        "local_port": held.forward.local_port,
        "state": "paused" if held.fault else link.state,
        "reason": held.fault or link.reason or refusal,
        "connections": stats.open + stats.waiting,
        "bytes_in": stats.bytes_in,
        "bytes_out": stats.bytes_out,
    }


def _flows(host: Host, target: Target, *, spare: bool) -> OpenFlow:
    """``spare``: a flow may be opened before it is asked for. Jupyter does not mind one that says
    nothing; another server may speak first, or take a single client."""
    from gpuws.tunnel.ahead import Ahead

    def plain(sink: Sink) -> Flow:
        return host.open_flow(target, sink)

    return Ahead(plain, host.last_heard) if spare and host.distance() > FAR else plain
