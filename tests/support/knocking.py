"""The whole proof that Jupyter is ours, in one round trip."""

from __future__ import annotations

from gpuws.plan.ports import Stream
from gpuws.tunnel.http import Knock


def readiness(
    stream: Stream, base_url: str, token: str, instance: str, *, timeout: float = 10.0
) -> None:
    knock = Knock(stream, base_url, token, timeout=timeout)
    knock.is_ours(instance)
    knock.takes(token, instance)
