"""What a login needs that only the system's ssh has, asked of this machine before the dial."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

from gpuws.host.agent import Agent, AgentTrouble, agent_path
from gpuws.host.openssh.login import is_open
from gpuws.plan.model import Profile
from gpuws.plan.transport import choose

_DEADLINE = 2.0  # seconds for klist, which reads a file


def chosen(profile: Profile) -> tuple[str, str]:
    """The engine for a profile, and the sentence that says why, for the user."""
    usable = os.name != "nt" and shutil.which("ssh") is not None
    needs = profile.only_ssh if profile.transport else _needs(profile, usable=usable)
    return choose(profile.transport, needs, ssh=usable)


def _needs(profile: Profile, *, usable: bool) -> tuple[str, ...]:
    if usable and is_open(profile.control_path):
        return ("the connection that is open already (ControlPath)",)
    found = profile.only_ssh
    if profile.gssapi and _has_ticket():
        found = (*found, "a Kerberos ticket (GSSAPIAuthentication)")
    for file in _security_keys(profile):
        found = (*found, f"the security key {file}")
    return found


def _has_ticket() -> bool:
    """Distributions switch GSSAPI on for everybody: it means nothing without a ticket."""
    klist = shutil.which("klist")
    if klist is None:
        return False
    try:
        done = subprocess.run(
            [klist, "-s"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _security_keys(profile: Profile) -> list[str]:
    """Identity files whose key is on a FIDO token; one that an agent has, any engine can use."""
    if not profile.pubkey:
        return []
    found = {file: blob for file in profile.identity_files if (blob := _sk_blob(file))}
    if not found:
        return []
    held = _held_by_agent(profile)
    return [file for file, blob in found.items() if blob not in held]


def _sk_blob(file: str) -> str:
    """The public key in base64 of a private key's file, if it is on a token; "" else."""
    try:
        if not Path(file).is_file():
            return ""
        kind, blob, *_ = Path(f"{file}.pub").read_text(encoding="ascii", errors="replace").split()
    except (OSError, ValueError):
        return ""
    return blob if kind.startswith("sk-") else ""


def _held_by_agent(profile: Profile) -> set[str]:
    path = agent_path(profile)
    if path is None:
        return set()
    try:
        agent = Agent(path)
    except AgentTrouble:
        return set()
    try:
        held = agent.keys()
    except AgentTrouble:
        return set()
    finally:
        agent.close()
    return {base64.b64encode(blob).decode() for blob, _ in held}
