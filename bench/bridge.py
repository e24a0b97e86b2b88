"""The bridge of `bridge: stdio` beside the usual forward: throughput, round trips, connections."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.support.far_end import short_folder
from tests.support.sshd import Sshd, running_sshd

from bench import _ends, _figures, tunnel
from bench._proxy import Wire, linked
from bench.tunnel import FAR, Measure

_FORBIDDING = ("DisableForwarding yes", "MaxSessions 1")


def main() -> None:
    count = _figures.runs(__doc__, 5)
    with (
        short_folder() as folder,
        running_sshd(folder / "open") as forwarding,
        running_sshd(folder / "shut", _FORBIDDING) as forbidding,
    ):
        _figures.heading("The bridge where forwarding is forbidden", count)
        print("Two OpenSSH servers: one forwards, one has DisableForwarding and MaxSessions 1.\n")
        servers = {"bridge": forbidding, "forward": forwarding}
        _section(servers, folder, 0.0, tunnel.near(), count)
        _section(servers, folder, FAR, tunnel.far(), count)


def _section(
    servers: dict[str, Sshd],
    folder: Path,
    round_trip: float,
    measures: tuple[Measure, ...],
    count: int,
) -> None:
    rows = []
    with contextlib.ExitStack() as all_:
        ports = {
            name: all_.enter_context(_forward(server, folder / f"{name}-{round_trip}", round_trip))
            for name, server in servers.items()
        }
        for each in measures:
            sides = {name: functools.partial(each.take, port) for name, port in ports.items()}
            found = _figures.in_turns(count, sides)
            both = [_figures.spread(found[name], 2) for name in servers]
            ratio = _figures.ratio(found["bridge"], found["forward"])
            rows.append((each.name, each.unit, *both, f"{ratio:.2f}"))
    where = (
        f"A round trip of {round_trip * 1e3:.0f} ms, by a proxy each" if round_trip else "No proxy"
    )
    print(f"{where}:\n")
    head = ("figure", "unit", "bridge, median (quartiles)", "forward, median (quartiles)", "ratio")
    _figures.table(head, rows)


@contextlib.contextmanager
def _forward(server: Sshd, far_socket: Path, round_trip: float) -> Iterator[int]:
    """The local port of one that leads to a far end of its own."""
    with contextlib.ExitStack() as all_:
        port = server.port
        if round_trip:
            port = all_.enter_context(linked(port, Wire(round_trip))).port
        line = server.host_key_line()
        server.known_hosts.write_text(line.replace(f":{server.port} ", f":{port} "))
        all_.enter_context(_ends.end("far", str(far_socket)))
        words = ("forward", str(server.config), server.alias, str(port), str(far_socket))
        yield all_.enter_context(_ends.end(*words))


if __name__ == "__main__":
    main()
