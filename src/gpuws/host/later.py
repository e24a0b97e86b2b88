"""Work that goes on while something else is done."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def later(work: Callable[[], _T]) -> Callable[[], _T]:
    """Start ``work`` in a thread now; the returned call waits for it and passes on its error."""
    answers: queue.SimpleQueue[tuple[_T | None, BaseException | None]] = queue.SimpleQueue()

    def go() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # raised again by the one who waits
            answers.put((None, error))

    def result() -> _T:
        value, error = answers.get()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    threading.Thread(target=go, daemon=True).start()
    return result
