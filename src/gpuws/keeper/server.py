"""The keeper: the one process that owns a host's connection and its forwards.

It is started before the dial, because a login cannot be handed to another process afterwards (a
fork after the connection kills both sides, and a second login asks for a second one-time code).
It ends by itself when no view talks to it, no forward is wanted and no login is kept.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict
from multiprocessing.connection import Listener
from typing import Any

from gpuws.journeys.pulse import gpus
from gpuws.keeper.conversation import Conversation
from gpuws.keeper.forwards import HeldForwards
from gpuws.keeper.healer import Healer
from gpuws.keeper.line import Line
from gpuws.keeper.nobody import Nobody, Silent
from gpuws.keeper.wire import Wire
from gpuws.plan.model import Gpu
from gpuws.plan.ports import Ask, Host

_log = logging.getLogger("gpuws.keeper")
_FIRST_VIEW_WITHIN = 30.0  # seconds
_CARDS_EVERY = 10.0  # seconds between two looks at the GPUs
_LOOK_EVERY = 0.5  # seconds between two looks at who is still there


class Keeper:
    """Shared by all conversations; every change of who wants what is under one lock."""

    def __init__(self) -> None:
        self.line = Line(keeps=True)
        self.forwards = HeldForwards(self.line)
        self.healer = Healer(self.line, self.forwards, self._asker, Silent())
        self._lock = threading.Lock()
        self._talking: set[Conversation] = set()
        self._detached: set[str] = set()
        self._begun = time.monotonic()
        self._met = False
        self._logged_out = False
        self._cards: tuple[Gpu, ...] | None = None  # None: not asked yet
        self._asked = 0.0

    def serve(self, listener: Listener) -> None:
        """Until nobody wants anything any more."""
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self.healer.start()
        try:
            while not self._finished():
                time.sleep(_LOOK_EVERY)
        finally:
            listener.close()
            self.healer.stop()
            self.forwards.close_all()
            self.line.close()

    def _accept(self, listener: Listener) -> None:
        while True:
            try:
                wire = Wire(listener.accept())
            except OSError:
                return
            conversation = Conversation(self, wire)
            self.meet(conversation)
            threading.Thread(target=self._talk, args=(conversation,), daemon=True).start()

    def meet(self, conversation: Conversation) -> None:
        with self._lock:
            self._met = True
            self._talking.add(conversation)

    def _talk(self, conversation: Conversation) -> None:
        try:
            conversation.run()
        except Exception as error:
            self.log_bug(error)
        finally:
            self.release(conversation)

    def _finished(self) -> bool:
        with self._lock:
            if self._logged_out:
                return True
            if self._talking or self.forwards.held:
                self._use()
                return False
            young = not self._met and time.monotonic() - self._begun < _FIRST_VIEW_WITHIN
            return self.line.kept() is None and not young

    def _use(self) -> None:
        kept = self.line.kept()
        if kept:
            kept.use()

    def log_out(self, *, kept_only: bool) -> dict[str, Any]:
        """End the connection with all that uses it, or only one that is kept. What runs on the
        host goes on."""
        with self._lock:
            reach = self.line.reach
            self._logged_out = self.line.kept() is not None or not kept_only
            closed = sorted({name for name, _ in tuple(self.forwards.held)})
            host = reach.host if reach else ""
            return {"host": host, "ended": self._logged_out, "closed": closed}

    def hold(self, conversation: Conversation, *, detached: bool, joins: bool) -> None:
        """``joins``: what it opened goes with the views that are there already, if any."""
        with self._lock:
            if detached and not (joins and self._watched(conversation)):
                self._detached.add(conversation.name)

    def _watched(self, conversation: Conversation) -> bool:
        """Whether somebody else looks at the same workspace. Under the lock."""
        others = self._talking - {conversation}
        return any(other.name == conversation.name for other in others)

    def release(self, conversation: Conversation) -> None:
        """A view is gone: its forwards go with it unless somebody else wants them."""
        with self._lock:
            if conversation not in self._talking:
                return
            self._talking.discard(conversation)
            self._use()
            name = conversation.name
            if conversation.leaving == "detach" and name:
                self._detached.add(name)
            if name and name not in self._detached and not self._watched(conversation):
                self.forwards.close(name)

    def _asker(self) -> Ask:
        """Somebody who watches a forward, and could be asked for a code."""
        with self._lock:
            watching = [each for each in self._talking if each.name and not each.leaving]
        return watching[0] if watching else Nobody()

    def health(self, name: str) -> dict[str, Any]:
        """What the panel shows of a workspace's forwards; "lost" once all were closed."""
        tunnel = self.forwards.tunnel(name) or {}
        lost = not self.forwards.holds(name)
        return {"lost": lost, **tunnel, "forwards": self.forwards.more(name)}

    def cards(self) -> list[dict[str, Any]]:
        """The host's GPUs as last seen, asked every 10 s while somebody watches; once where it
        has none. Never waits: a tunnel's health is told also while the host is silent."""
        host = self.line.host
        due = time.monotonic() - self._asked > _CARDS_EVERY
        if host is not None and due and self._cards != ():
            self._asked = time.monotonic()
            threading.Thread(target=self._look_at_cards, args=(host,), daemon=True).start()
        return [asdict(card) for card in self._cards or ()]

    def _look_at_cards(self, host: Host) -> None:
        found = gpus(host)
        self._cards = self._cards if found is None else found

    def log_bug(self, error: Exception) -> None:
        _log.error("a fault of gpuws", exc_info=error)
