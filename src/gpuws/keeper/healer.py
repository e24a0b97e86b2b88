"""Makes a lost connection again while somebody wants its forwards."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime

from gpuws.engines.session import look
from gpuws.errors import GpuwsError
from gpuws.host.network import source_address
from gpuws.keeper.forwards import HeldForwards
from gpuws.keeper.line import Line
from gpuws.plan.forwards import JUPYTER
from gpuws.plan.healing import Link, Verdict, pause, verdict
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Ask, Host, Progress

_LOOK_EVERY = 0.2  # seconds
_SLEPT = 3.0  # seconds that a look came too late: the laptop was asleep
_LOOK_AGAIN = 5.0  # seconds until workspaces that could not be asked are asked again
_PATIENCE = 1.0  # seconds for the first answer over a new connection
_log = logging.getLogger("gpuws.keeper")


class Healer:
    """A thread from ``start`` to ``stop``. ``asker`` gives who could be asked at the moment."""

    def __init__(
        self, line: Line, forwards: HeldForwards, asker: Callable[[], Ask], progress: Progress
    ) -> None:
        self._line = line
        self._forwards = forwards
        self._asker = asker
        self._progress = progress
        self._look_at = math.inf  # when the workspaces, which could not be asked, are asked again
        self._over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="gpuws-healer", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_EVERY):
            try:
                self._look()
            except Exception:  # it must go on for the other forwards
                _log.exception("a fault of gpuws while healing")

    def _look(self) -> None:
        host = self._line.host
        if host is None or not self._forwards.held:
            return
        if not self._line.alive():
            self._heal(host)
        elif self._forwards.resume(host) or time.monotonic() >= self._look_at:
            self._look_after(host)

    # --- while it is lost ------------------------------------------------------------------------

    def _heal(self, lost: Host) -> None:
        name = lost.profile.alias
        _log.warning("the connection to %s is gone", name)
        since = time.monotonic()
        tries = 0
        reason = f"the connection to {name} is gone"
        while self._wanted():
            tries += 1
            self._line.link = Link("reconnecting", since, tries, 0.0, reason)
            try:
                self._line.again(self._asker(), self._progress)
            except GpuwsError as error:
                reason = error.message
                self._rest(verdict(error), since, tries, reason)
            else:
                if self._wanted():  # the server hung up right behind the login
                    self._rest(Verdict.AGAIN, since, tries, reason)
        if self._line.alive():
            _log.warning("connected again after %.1f s", time.monotonic() - since)
        elif not self._forwards.held:  # the next who wants something makes the connection
            self._line.link = Link(since=time.monotonic())

    def _wanted(self) -> bool:
        held = bool(self._forwards.held)
        return held and not self._line.alive() and not self._over.is_set()

    def _rest(self, why: Verdict, since: float, tries: int, reason: str) -> None:
        """Until the next try is due, or earlier where the laptop woke up or its network changed."""
        now = time.monotonic()
        waits = None if why is Verdict.PERSON else pause(why, tries, random.random())  # noqa: S311
        state = "reconnecting" if why is Verdict.AGAIN else "paused"
        next_at = now + waits if waits is not None else 0.0
        self._line.link = Link(state, since, tries, next_at, reason)
        before = self._address()
        while self._wanted() and (waits is None or time.monotonic() < next_at):
            due = time.time() + _LOOK_EVERY
            if self._over.wait(_LOOK_EVERY):
                return
            woke = time.time() - due > _SLEPT
            if why is not Verdict.PERSON and (woke or self._address() != before):
                return

    def _address(self) -> str | None:
        host = self._line.host
        peer = host.peer() if host else None
        return source_address(peer) if peer else None

    # --- when it is back -------------------------------------------------------------------------

    def _look_after(self, host: Host) -> None:
        """Whether what the forwards lead to is still there. Takes a second where the host says
        nothing: one that hangs up soon after each login is not to be stormed with them."""
        self._look_at = math.inf
        host.answers(_PATIENCE)
        reach = self._line.reach
        try:
            seen = look(host, root=(reach.entry.root if reach else None) or "")
        except GpuwsError as error:
            _log.warning("the workspaces could not be asked: %s", error.message)
            self._look_at = time.monotonic() + _LOOK_AGAIN
            return
        for (name, forward), held in tuple(self._forwards.held.items()):
            workspace = seen.find(name)
            held.fault = _fault(host.profile.alias, workspace, seen.boot_time, forward)


def _fault(host: str, workspace: Workspace | None, boot_time: int, forward: str) -> str:
    """Why a forward leads nowhere any more; "" where it does, or where nobody can know: what
    another service listens on may outlive Jupyter, though not a reboot."""
    if workspace is None:
        return "the workspace is gone"
    if workspace.state in ("running", "starting"):
        return ""
    if forward != JUPYTER and workspace.state != "rebooted":
        return ""
    again = f"`gpuws up {host}` to start again"
    if workspace.state == "rebooted":
        when = datetime.fromtimestamp(boot_time).strftime("%Y-%m-%d %H:%M") if boot_time else "?"
        return f"{host} rebooted at {when}: kernels are gone, files are kept; {again}"
    return f"Jupyter is {workspace.state}; {again}"
