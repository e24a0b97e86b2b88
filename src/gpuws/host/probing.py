"""The probe: one script of several files that asks the host everything at once."""

from __future__ import annotations

from gpuws.host.script import script
from gpuws.plan.ports import Script

LOOK = (
    "gpuws.engines:record.sh",
    "gpuws.engines:volume.sh",
    "gpuws.engines:look.sh",
    "gpuws.engines.tmux:program.sh",
)
"""The engines' own knowledge: which workspaces live, and which tmux is theirs."""

PROBE = (
    "probe/within.sh",
    "probe/parts.sh",
    "probe/shared.sh",
    "probe/root.sh",
    "probe/home.sh",
    "probe/login.sh",
    "probe/conda.sh",
    "probe/tools.sh",
    "probe/gpus.sh",
    "probe.sh",
)
"""The probe's own files; the main one is the last."""


def probe_script() -> Script:
    """The probe with the engines' look at the workspaces.

    Arguments: the root folder ("" = the host's pointer, else ~/gpuws), the prologue's text, "1" to
    look for tools with the PATH of a login shell, "1" to be told the workspaces' tokens, and the
    folder that a group shares. Answers go to gpuws.plan.facts.facts_from.
    """
    return script("gpuws.host", *LOOK, *PROBE)


def pulse_script() -> Script:
    """Only the GPUs' state; answers go to gpuws.plan.cards.cards_from. No arguments."""
    return script("gpuws.host", "probe/within.sh", "probe/tools.sh", "probe/gpus.sh", "pulse.sh")


def doctor_script() -> Script:
    """What `gpuws doctor` asks beside the probe.

    Arguments: the root folder, the folder for sockets ("" = none), the folder of cache_dir: ("" =
    the tools' own), then environments. Answers go to gpuws.plan.doctor.seen.seen_from.
    """
    parts = ("probe/within.sh", "probe/parts.sh", "probe/root.sh")
    own = (f"doctor/{each}.sh" for each in ("folders", "servers", "sockets"))
    return script("gpuws.host", *parts, *own, "doctor.sh")
