"""One view's conversation with the keeper: a journey, its questions, then the watch."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

from gpuws.errors import GpuwsError, prompt_needed
from gpuws.keeper import wire as wires
from gpuws.keeper.verbs import JOINS, KEEPS, OPENED, perform, request_of
from gpuws.keeper.wire import Wire
from gpuws.keeper.world import real_world
from gpuws.plan.ports import Process

if TYPE_CHECKING:
    from gpuws.keeper.server import Keeper

_WATCH_EVERY = 1.0  # seconds between two health messages


class Conversation:
    """Reads the view's messages in one thread while the journey runs in another.

    It is Progress, Ask and Terminal for that journey. ``leaving`` is how the view went:
    "" (still there), "close" (Ctrl-C, q, or gone without a word) or "detach".
    """

    def __init__(self, keeper: Keeper, wire: Wire) -> None:
        self._keeper = keeper
        self._wire = wire
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._gone = threading.Event()
        self._process: Process | None = None
        self._size: tuple[int, int] | None = None
        self.leaving = ""
        self.name = ""

    # --- the reading thread ------------------------------------------------------------------

    def run(self) -> None:
        first = self._wire.receive()
        if first is None:
            return
        order = wires.parse(first)
        if "log_out" in order:
            self._send({"result": self._keeper.log_out(kept_only=order["log_out"] == "kept")})
            return
        size = order.get("size")
        self._size = (size[0], size[1]) if size else None
        journey = threading.Thread(target=self._journey, args=(order,), daemon=True)
        journey.start()
        while (block := self._wire.receive()) is not None:
            self._hear(block)
        self.leaving = self.leaving or "close"
        self._gone.set()
        self._answers.put(None)
        if self._process:
            self._process.close()
        journey.join()
        self._wire.close()

    def _hear(self, block: bytes) -> None:
        if not wires.is_json(block):
            self._typed(block[1:])
            return
        message = wires.parse(block)
        if "answer" in message:
            self._answers.put(message["answer"])
        elif "leave" in message:
            self.leaving = message["leave"]
            self._gone.set()
        elif "resize" in message and self._process:
            self._process.resize(*message["resize"])

    def _typed(self, data: bytes) -> None:
        if self._process is not None:
            give(self._process, data)

    # --- the journey's thread ----------------------------------------------------------------

    def _journey(self, order: dict[str, Any]) -> None:
        verb = order["verb"]
        try:
            world = real_world(self._keeper.line, self._keeper.forwards, self, self, self)
            result = perform(verb, request_of(verb, order["request"]), world)
            if verb in KEEPS and not OPENED.isdisjoint(result):
                self.name = result["workspace"].rpartition("/")[2]
                detached = bool(order.get("detach"))
                self._keeper.hold(self, detached=detached, joins=verb in JOINS)
            if verb == "down" and (kept := self._keeper.line.kept()):
                self.note(kept.words())
            self._send({"result": result})
            if self.name and not order.get("detach"):
                self._watch()
        except GpuwsError as error:
            self._send({"error": error_data(error)})
        except Exception as error:
            self._keeper.log_bug(error)
            self._send({"error": bug_data(error)})
        finally:
            self._keeper.release(self)

    def _watch(self) -> None:
        while not self._gone.wait(_WATCH_EVERY):
            health = self._keeper.health(self.name)
            if not health["lost"]:
                health["gpus"] = self._keeper.cards()
                health["ports"] = self._keeper.forwards.noticed(self.name)
            self._send({"health": health})
            if health["lost"]:
                return

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._wire.send(message)
        except OSError:
            self._gone.set()

    def _tell(self, kind: str, **values: str) -> None:
        """Progress. A view that left with "close" ends the journey at its next word."""
        if self.leaving == "close":
            raise GpuwsError("interrupted", "the command was interrupted")
        if not self.leaving:
            self._send({"event": kind, **values})

    # --- Progress ------------------------------------------------------------------------------

    def stage(self, name: str, detail: str = "") -> None:
        self._tell("stage", name=name, detail=detail)

    def line(self, text: str) -> None:
        self._tell("line", text=text)

    def note(self, text: str) -> None:
        self._tell("note", text=text)

    def warn(self, text: str) -> None:
        self._tell("warn", text=text)

    def advise(self, about: str, *lines: str) -> None:
        self._tell("advice", about=about, text="\n".join(lines))

    # --- Ask -----------------------------------------------------------------------------------

    def secret(self, prompt: str) -> str:
        return self._asked({"ask": "secret", "prompt": prompt}, prompt)

    def text(self, prompt: str) -> str:
        return self._asked({"ask": "text", "prompt": prompt}, prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        message = {"ask": "confirm", "prompt": question, "flag": flag}
        return self._asked(message, question, flag) == "yes"

    def touch(self, what: str) -> None:
        if self.leaving:
            raise prompt_needed(what)
        self.note(what)

    def _asked(self, message: dict[str, Any], prompt: str, flag: str = "") -> str:
        if not self.leaving:
            self._send(message)
            answer = self._answers.get()
            if answer is not None:
                return answer
        raise prompt_needed(prompt, flag)

    # --- Terminal ------------------------------------------------------------------------------

    def size(self) -> tuple[int, int] | None:
        return self._size

    def run_process(self, process: Process) -> int:
        self._process = process
        self._send({"begun": True})
        return process.pump(
            lambda data: self._wire.send_block(wires.STDOUT + data),
            lambda data: self._wire.send_block(wires.STDERR + data),
        )

    def write(self, data: bytes) -> None:
        self._wire.send_block(wires.STDOUT + data)


def give(process: Process, data: bytes) -> None:
    """What was typed; nothing means the end of it."""
    if data:
        process.send(data)
    else:
        process.send_eof()


def error_data(error: GpuwsError) -> dict[str, Any]:
    """The error as --json shows it, plus ``detail``."""
    return {
        "code": error.code,
        "exit": int(error.exit),
        "stage": error.stage,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "detail": error.detail,
    }


def bug_data(error: Exception) -> dict[str, Any]:
    bug = GpuwsError(
        "bug",
        f"this is a fault of gpuws: {type(error).__name__}: {error}",
        hint="run it again with --debug and report what it prints",
    )
    return error_data(bug)
