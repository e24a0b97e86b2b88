"""A delaying TCP proxy as a process of its own: `python -m bench._proxy PORT SECONDS_ONE_WAY`.

It prints its port and serves until its stdin ends. A process, because a proxy in a thread of the
measuring process would wait for that one's interpreter.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def delayed(port: int, one_way: float) -> Iterator[int]:
    """The port of a proxy in front of ``port``."""
    command = [sys.executable, "-m", "bench._proxy", str(port), str(one_way)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    from tests.support.fault_proxy import FaultProxy

    port, one_way = int(sys.argv[1]), float(sys.argv[2])
    with FaultProxy(("127.0.0.1", port), delay=one_way) as proxy:
        print(proxy.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
