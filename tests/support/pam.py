"""A real sshd that asks for passwords and codes through PAM, which only root can run.

It has an /etc/pam.d of its own, in a mount namespace: nothing of this machine's is touched. What is
typed is compared with the lines of ``secrets``; with ``once`` each of them is good for one login, as
a one-time code is. What was tried with sshd 9.2 and pam_exec: the name of the service is sshd's own
program name, and a stack of pam_exec alone fails in pam_setcred.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sshd import Place

LINES = ("UsePAM yes", "PasswordAuthentication yes", "KbdInteractiveAuthentication yes")
"""Of sshd_config; more may say which methods in which order."""
EXPIRED = "account required pam_debug.so acct=new_authtok_reqd"

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
mount --bind "{folder}/pam.d" /etc/pam.d && exec "$@"
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


def pam(folder: Path, *secrets: str, once: bool = False, account: str = "") -> Pam:
    """``account``: the line that judges the account; by default it is good."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a PAM of its own needs root and unshare")
    (folder / "pam.d").mkdir(parents=True)
    (folder / "secrets").write_text("".join(f"{each}\n" for each in secrets))
    check = folder / "check"
    check.write_text(_CHECK.format(folder=folder, once="yes" if once else "no"))
    check.chmod(0o755)
    (folder / "enter").write_text(_ENTER.format(folder=folder))
    stack = [
        f"auth required pam_exec.so expose_authtok quiet {check}",
        "auth required pam_permit.so",
        account or "account required pam_permit.so",
        "session required pam_permit.so",
        "password required pam_unix.so",
    ]
    (folder / "pam.d" / "sshd").write_text("\n".join(stack) + "\n")
    return Pam(folder)
