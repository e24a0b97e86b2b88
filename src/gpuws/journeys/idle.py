"""How long nobody has used a workspace's Jupyter: asked of Jupyter itself, over a channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from gpuws.errors import GpuwsError
from gpuws.plan.model import HostFacts, Secret, Workspace
from gpuws.plan.ports import Host
from gpuws.tunnel.http import last_activity

_PATIENCE = 1.0  # seconds for a channel, and again for the answer
_AT_ONCE = 16


def idle_seconds(host: Host, facts: HostFacts, tokens: dict[str, Secret]) -> dict[str, int]:
    """Whole seconds since the last activity, by the host's clock; of those that answer in time."""
    asked = [each for each in facts.workspaces if each.target and each.name in tokens]
    if not asked:
        return {}

    def seconds(workspace: Workspace) -> int | None:
        last = _last_activity(host, workspace, tokens[workspace.name])
        return None if last is None else max(0, int(facts.now - last))

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = zip(asked, pool.map(seconds, asked), strict=True)
        return {each.name: idle for each, idle in found if idle is not None}


def _last_activity(host: Host, workspace: Workspace, token: Secret) -> float | None:
    """None where Jupyter hangs, ends meanwhile, or cannot be reached: no reason to fail."""
    if workspace.target is None:
        return None
    try:
        stream = host.open_stream(workspace.target, timeout=_PATIENCE)
    except GpuwsError:
        return None
    try:
        base_url = workspace.get("base_url")
        return last_activity(stream, base_url, token.reveal(), timeout=_PATIENCE)
    except GpuwsError:
        return None
    finally:
        stream.close()
