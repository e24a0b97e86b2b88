"""JupyterLab's first load in Chromium over 20 Mbit/s and 100 ms, beside `ssh -L` and `ssh -C -L`.

With gpuws Jupyter itself compresses what it answers; behind ssh there is a Jupyter that does not.
"""

from __future__ import annotations

import functools
import http.client
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.browser import chromium, open_page
from tests.support.door import Door
from tests.support.lab import short_folder

from bench import _figures, _forwards, _lab
from bench._figures import Figures, Goal
from bench._forwards import Opened
from bench._proxy import Link, Wire
from bench._uncompressed import DIFFERENCE, Plain, uncompressed

ALIAS = "slow"  # the host over this wire
WIRE = Wire(round_trip=0.1, rate=20e6 / 8)
GPUWS, PLAIN, PRESSED, FLOOR = "gpuws", "ssh -L", "ssh -C -L", "gpuws, no link"
_USABLE = (
    "document.querySelector('#jupyterlab-splash') === null && "
    """document.querySelector('.jp-LauncherCard[data-category="Notebook"]') !== null"""
)
_POLL = 0.02  # seconds
_MEASURED = f"""\
Seconds from the navigation until JupyterLab's launcher offers a notebook and the splash is gone,
asked every {_POLL * 1e3:.0f} ms. Each load has a forward that was opened for it and has answered a
question, and a new Chromium with an empty profile. The link is one proxy for all of them:
{WIRE.round_trip * 1e3:.0f} ms there and back, {WIRE.rate * 8 / 1e6:.0f} Mbit/s each way for a TCP
connection, of which each side has one. The bytes are what it carried in that time, both ways, SSH's
own included. Chromium, the proxy, both ends of SSH and both Jupyters share this machine's cores:
`{FLOOR}` is the same through a proxy without delay and limit, and shows how much that takes.
"""
_WHY = """\
What makes gpuws quicker than `ssh -L` is gzip, not the tunnel: it starts Jupyter with
`compress_response`, and {less:.1f} MB cross the link in place of {more:.1f} MB. With that setting
at its Jupyter, `ssh -L` would carry as little.
"""


@dataclass(frozen=True)
class Side:
    """``packed``: the Content-Encoding that its Jupyter must answer with."""

    link: Link
    opened: Opened
    address: Callable[[], _lab.Address | None]
    packed: str


def main() -> None:
    count = _figures.runs(__doc__)
    if chromium() is None:
        raise SystemExit("bench/browser: it needs Chromium (Debian: apt-get install chromium)")
    with _lab.lab(**{ALIAS: WIRE}) as bench, uncompressed(bench) as plain:
        _figures.heading("JupyterLab's first load", count)
        print(_MEASURED)
        _say_commands(bench)
        sides = _sides(bench, plain)
        moved: Figures = {name: [] for name in sides}
        figures = _figures.in_turns(
            count,
            {name: functools.partial(_load, side, moved[name]) for name, side in sides.items()},
        )
    _show(figures, {name: found[1:] for name, found in moved.items()})


def _sides(bench: _lab.Bench, plain: Plain) -> dict[str, Side]:
    slow, near = bench.links[ALIAS], bench.links["near"]
    ours = functools.partial(_forwards.keeper, bench, ALIAS)
    unhindered = functools.partial(_forwards.keeper, bench, "near")
    bare = functools.partial(_forwards.ssh, bench, ALIAS, target=plain.socket)
    pressed = functools.partial(_forwards.ssh, bench, ALIAS, "-C", target=plain.socket)
    return {
        GPUWS: Side(slow, ours, bench.address, "gzip"),
        PLAIN: Side(slow, bare, plain.address, ""),
        PRESSED: Side(slow, pressed, plain.address, ""),
        FLOOR: Side(near, unhindered, bench.address, "gzip"),
    }


def _say_commands(bench: _lab.Bench) -> None:
    _figures.commands(
        {
            GPUWS: _forwards.attach(bench, "HOST", "PORT"),
            PLAIN: _forwards.by_hand(bench, "HOST", "PORT", target="PLAIN"),
            PRESSED: _forwards.by_hand(bench, "HOST", "PORT", "-C", target="PLAIN"),
            "the Jupyter at PLAIN": DIFFERENCE,
        },
        bench.short,
    )


# --- a load ---------------------------------------------------------------------------------------


def _load(side: Side, moved: list[float]) -> float:
    """Seconds. ``moved`` gets the bytes over the link."""
    with side.opened() as forward, short_folder() as folder:
        _lab.until_200(forward.port, side.address, time.perf_counter())
        known = side.address()
        assert known is not None
        door = Door(forward.port, *known)
        packed = _packing(door)
        assert packed == side.packed, (side, packed)
        with open_page(folder) as page:
            before, begin = side.link.passed(), time.perf_counter()
            page.goto(door.url)
            page.wait_for(_USABLE, every=_POLL)
            seconds = time.perf_counter() - begin
            moved.append(side.link.passed() - before)
    return seconds


def _packing(door: Door) -> str:
    """The Content-Encoding of a page for a browser that can read gzip."""
    link = http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)
    headers = {"Authorization": f"token {door.token}", "Accept-Encoding": "gzip"}
    link.request("GET", f"{door.base_url}lab", headers=headers)
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer.getheader("Content-Encoding", "")


# --- what came of it ------------------------------------------------------------------------------


def _show(figures: Figures, moved: Figures) -> None:
    to = {name: _figures.ratio(figures[GPUWS], found) for name, found in figures.items()}
    megabytes = {name: [each / 1e6 for each in found] for name, found in moved.items()}
    rows = [
        (
            name,
            _figures.spread(found, 2),
            f"{to[name]:.2f}",
            _figures.spread(megabytes[name], 2),
        )
        for name, found in figures.items()
    ]
    head = ("side", "seconds, median (quartiles)", "gpuws / it", "MB, median (quartiles)")
    _figures.table(head, rows)
    less, more = (statistics.median(megabytes[name]) for name in (GPUWS, PLAIN))
    print(_WHY.format(less=less, more=more))
    seconds = {name: statistics.median(found) for name, found in figures.items()}
    print(_floor(seconds[GPUWS], seconds[PLAIN], seconds[FLOOR]))
    limits = {PLAIN: 0.6, PRESSED: 1.1}
    _figures.goals(
        [Goal(f"first load, gpuws / {name}", to[name], at, "×") for name, at in limits.items()]
    )


def _floor(ours: float, plain: float, floor: float) -> str:
    return (
        f"Without a link the page takes {floor:.2f} s here, {floor / plain:.2f} of what `ssh -L` "
        f"takes\nwith it. What the link adds is {ours - floor:.2f} s with gpuws and "
        f"{plain - floor:.2f} s with `ssh -L`: {(ours - floor) / (plain - floor):.2f} ×.\n"
    )


if __name__ == "__main__":
    main()
