"""A channel that the server did not open, and what that means for the user."""

from __future__ import annotations

from gpuws.errors import GpuwsError
from gpuws.host.sanitise import one_line
from gpuws.plan.model import Target

PROHIBITED, CONNECT_FAILED = 1, 2  # of RFC 4254; the first is "administratively prohibited"


class ChannelRefused(Exception):
    """``code`` is PROHIBITED, or another one of RFC 4254; the text is the server's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def refused(target: Target, code: int, text: str) -> GpuwsError:
    """forwarding-refused where the server forbids it, tunnel-failed where nothing listens."""
    said = one_line(text, 120)
    if code == PROHIBITED:
        return GpuwsError(
            "forwarding-refused",
            f"the server forbids forwarding to {target} ({said})",
            hint="its sshd_config: AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen",
        )
    return GpuwsError(
        "tunnel-failed",
        f"nothing answers at {target} on the host ({said})",
        hint="gpuws status shows whether the workspace runs",
        retryable=True,
    )
