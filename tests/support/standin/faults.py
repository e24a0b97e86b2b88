"""Faults that tests ask for by GPUWS_TEST_FAULT; the real tools have no such thing.

Comma separated: fail:K, hang:K, kill:K (at the K-th package linked), pip-rc0 (exit 0 although pip
failed), flood:MB (that much output before linking), fetch-slow:SECONDS (before each download),
tos (conda has the Terms of Service plugin of Anaconda's installers), spoiled (what lies in the
package cache is not what it should be, unless the cache is a build's own).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


class Faults:
    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        for word in os.environ.get("GPUWS_TEST_FAULT", "").split(","):
            name, _, value = word.partition(":")
            if name:
                self._asked[name] = float(value or 0)

    def fails_at(self) -> int | None:
        return int(self._asked["fail"]) if "fail" in self._asked else None

    def hides_pip(self) -> bool:
        return "pip-rc0" in self._asked

    def terms_apply(self) -> bool:
        return "tos" in self._asked

    def spoils(self, cache: Path) -> bool:
        return "spoiled" in self._asked and "scratch" not in cache.parts

    def linking(self, number: int) -> None:
        """Called as package ``number`` (from 1) is about to be linked."""
        if self._asked.get("kill") == number:
            os.kill(os.getpid(), signal.SIGKILL)
        while self._asked.get("hang") == number:
            time.sleep(0.1)

    def fetching(self) -> None:
        time.sleep(self._asked.get("fetch-slow", 0))

    def flood(self) -> None:
        line = b"x" * 1023 + b"\n"
        for _ in range(int(self._asked.get("flood", 0) * 1024)):
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
