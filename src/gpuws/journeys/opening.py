"""The way to Jupyter while it is being opened: a stream to ask on, and a flow for the first use."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.host.later import later
from gpuws.plan.model import Secret, Target, Workspace
from gpuws.plan.ports import FAR, Host, Stream
from gpuws.records import Record
from gpuws.tunnel.ahead import Ahead
from gpuws.tunnel.http import Knock


class Opening:
    """Begun when it is made, in a thread of its own; what went wrong comes with ``knock``."""

    def __init__(self, host: Host, target: Target, base_url: str, token: str = "") -> None:
        self._target = target
        self._base_url = base_url
        self._stream: Stream | None = None
        self._knock: Knock | None = None
        self._ahead: Ahead | None = None
        self._ours = False
        self._over = False
        if host.distance() > FAR:
            self._ahead = Ahead(lambda sink: host.open_flow(target, sink), host.last_heard)
            self._ahead.prepare()
        self._knocked = later(lambda: self._ask(host, token))

    def leads_to(self, workspace: Workspace) -> bool:
        """Whether it was begun for what the host now says; else it is ended."""
        right = (self._target, self._base_url) == (workspace.target, workspace.get("base_url"))
        if not right:
            self.end()
        return right

    def knock(self) -> Knock:
        """Once the first question is out. Raises what opening the stream or asking raised."""
        if self._knock is None:
            self._knock = self._knocked()
        return self._knock

    def is_ours(self, instance: str) -> None:
        """It is the workspace's Jupyter that answers; raises what ``knock`` does otherwise."""
        if not self._ours:
            self.knock().is_ours(instance)
            self._ours = True

    def has_proven(self, instance: str) -> bool:
        """The same as an answer; what failed is ended."""
        try:
            self.is_ours(instance)
        except GpuwsError:
            self.end()
        return self._ours

    def hand_over(self) -> Ahead | None:
        """The flow that is open already, where there is one: the forward's from now on."""
        ahead, self._ahead = self._ahead, None
        return ahead

    def end(self) -> None:
        """Nothing more will be asked. May be called twice."""
        self._over = True
        if self._stream is not None:
            self._stream.close()
        ahead = self.hand_over()
        if ahead is not None:
            ahead.close()

    def _ask(self, host: Host, token: str) -> Knock:
        self._stream = host.open_stream(self._target)
        if self._over:
            self._stream.close()
        return Knock(self._stream, self._base_url, token)


def begin(host: Host, workspace: Workspace, token: Secret) -> Opening:
    """For what the host said: both questions go out in one flight."""
    return Opening(host, workspace.target or Target(), workspace.get("base_url"), token.reveal())


def continued(early: Opening | None, host: Host, workspace: Workspace, token: Secret) -> Opening:
    """What was begun early where it led to this Jupyter, else another one.

    It may have come before Jupyter did, or met the one before a restart; but whoever answered it
    could still sit there, so that the token waits for the next answer.
    """
    if early is None or not early.leads_to(workspace):
        return begin(host, workspace, token)
    if early.has_proven(workspace.get("instance")):
        return early
    return begin(host, workspace, Secret(""))


def begin_early(host: Host, records: tuple[Record, ...], name: str | None) -> Opening | None:
    """At the place where Jupyter was the last time, while the host is asked; no token leaves.

    Only where a round trip counts, and where the address book leaves no choice.
    """
    meant = [each for each in records if name in (None, each.name)]
    if host.distance() < FAR or len(meant) != 1 or not meant[0].socket:
        return None
    return Opening(host, Target(socket=meant[0].socket), meant[0].base_url)
