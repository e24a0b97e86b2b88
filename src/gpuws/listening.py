"""What a verb prints, as text inside a JSON document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpuws.keeper import wire as wires
from gpuws.report import Plain

MOST = 1 << 20  # bytes of each stream that a document holds


class Listening(Plain):
    """A person whose talk is shown, while the verb's output is handed to ``hear``."""

    def __init__(self, hear: Callable[[bytes], None], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._hear = hear

    def size(self) -> None:
        """No terminal: the output goes into a document."""

    def show_block(self, block: bytes) -> None:
        self._hear(block)


def text_of(block: bytes) -> str:
    """Without the byte that names the stream."""
    return block[1:].decode("utf-8", "replace")


class Printed:
    """The end of what a command printed on each stream: 1 MiB, and how much came before that."""

    def __init__(self) -> None:
        self._ends = {wires.STDOUT: bytearray(), wires.STDERR: bytearray()}
        self._before = {wires.STDOUT: 0, wires.STDERR: 0}

    def hear(self, block: bytes) -> None:
        stream = block[:1]
        end = self._ends[stream]
        end += block[1:]
        excess = len(end) - MOST
        if excess > 0:
            del end[:excess]
            self._before[stream] += excess

    def data(self) -> dict[str, Any]:
        names = {wires.STDOUT: "stdout", wires.STDERR: "stderr"}
        texts = {names[key]: end.decode("utf-8", "replace") for key, end in self._ends.items()}
        omitted = {names[key]: count for key, count in self._before.items()}
        return {**texts, "omitted_bytes": omitted}
