"""A real sshd that asks for passwords and codes through PAM, which only root can run.

It has an /etc of its own, in a mount namespace: no password or setting of this machine is touched.
What is typed is compared with the lines of ``secrets``; with ``once`` each of them is good for one
login, as a one-time code is. What was tried with sshd 9.2: the name of the service is sshd's own
program name, and a stack of pam_exec alone fails in pam_setcred.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sshd import Place

LINES = ("UsePAM yes", "PasswordAuthentication yes", "KbdInteractiveAuthentication yes")
"""Of sshd_config; more may say which methods in which order."""

_CHECK = """\
#!/bin/sh
# What is typed comes on stdin.
read -r typed
printf '%s\\n' "$typed" >>"{folder}/typed"
grep -Fqx -e "$typed" "{folder}/secrets" || exit 1
if test "{once}" = yes; then
    grep -Fvx -e "$typed" "{folder}/secrets" >"{folder}/left"
    mv "{folder}/left" "{folder}/secrets"
fi
"""
_ENTER = """\
#!/bin/sh
mount --bind "{folder}/etc" /etc && exec "$@"
"""


@dataclass(frozen=True)
class Pam:
    folder: Path

    @property
    def place(self) -> Place:
        """Where the server is to be started."""
        return Place(within=("unshare", "-m", "sh", str(self.folder / "enter")))

    def typed(self) -> list[str]:
        file = self.folder / "typed"
        return file.read_text().splitlines() if file.exists() else []


def pam(folder: Path, *secrets: str, once: bool = False) -> Pam:
    check = folder / "check"
    made = _made(
        folder,
        f"auth required pam_exec.so expose_authtok quiet {check}",
        "auth required pam_permit.so",
        "account required pam_permit.so",
    )
    (folder / "secrets").write_text("".join(f"{each}\n" for each in secrets))
    check.write_text(_CHECK.format(folder=folder, once="yes" if once else "no"))
    check.chmod(0o755)
    return made


def expired(folder: Path, password: str) -> Pam:
    """Root's password is this one, and has to be changed now."""
    made = _made(
        folder,
        *(f"{kind} required pam_unix.so" for kind in ("auth", "account", "password")),
    )
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True
    )
    (folder / "etc" / "shadow").write_text(f"root:{hashed.stdout.strip()}:0:0:99999:7:::\n")
    return made


def _made(folder: Path, *stack: str) -> Pam:
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a PAM of its own needs root and unshare")
    (folder / "etc" / "pam.d").mkdir(parents=True)
    for name in ("passwd", "group", "nsswitch.conf", "login.defs", "ld.so.cache"):
        shutil.copy(f"/etc/{name}", folder / "etc")
    shutil.copytree("/etc/security", folder / "etc" / "security")
    lines = [*stack, "session required pam_permit.so"]
    (folder / "etc" / "pam.d" / "sshd").write_text("\n".join(lines) + "\n")
    (folder / "enter").write_text(_ENTER.format(folder=folder))
    return Pam(folder)
