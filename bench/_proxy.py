"""A link with a delay and a rate, as a process of its own.

    python -m bench._proxy PORT SECONDS_ONE_WAY BYTES_A_SECOND

It prints its port, then a count of bytes for each line on its stdin, and serves until that ends. A
process, because a proxy in a thread of the measuring process would wait for that one's interpreter.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Wire:
    """What a link is like: seconds for a round trip, and bytes a second each way (0: no limit).

    The rate is that of one TCP connection. gpuws and ssh each have one.
    """

    round_trip: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True)
class Link:
    """One that runs: whoever connects to ``port`` of 127.0.0.1 is led through it."""

    port: int
    process: subprocess.Popen[bytes]

    def passed(self) -> int:
        """Bytes so far, of all connections and both ways."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def linked(port: int, wire: Wire) -> Iterator[Link]:
    """A link to ``port`` of 127.0.0.1."""
    words = (str(port), str(wire.round_trip / 2), str(wire.rate))
    command = [sys.executable, "-m", "bench._proxy", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Link(int(process.stdout.readline()), process)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    from tests.support.fault_proxy import FaultProxy

    port, one_way, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    with FaultProxy(("127.0.0.1", port), delay=one_way) as proxy:
        proxy.rate = rate
        print(proxy.port, flush=True)
        for _ in sys.stdin:
            print(proxy.up.passed + proxy.down.passed, flush=True)


if __name__ == "__main__":
    main()
