"""This laptop, as far as ssh_config can name it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Here:
    """Who the user is for ssh: by the password file, not by $HOME and $USER."""

    home: str
    user: str
    uid: str  # "" where users have no number
    hostname: str
    environment: Mapping[str, str]
    system: Path  # the folder of the machine's ssh_config
    windows: bool = False

    def home_of(self, user: str) -> str | None:
        """None where there is no such user; "" is who runs this."""
        if not user:
            return self.home
        try:
            import pwd

            return pwd.getpwnam(user).pw_dir
        except (ImportError, KeyError):
            return None

    @property
    def config(self) -> Path:
        """The user's own file."""
        return Path(self.home, ".ssh", "config")


def here() -> Here:
    windows = os.name == "nt"
    program_data = os.environ.get("PROGRAMDATA", "C:\\ProgramData")
    return Here(
        home=home(),
        user=_user(),
        uid=str(os.getuid()) if hasattr(os, "getuid") else "",
        hostname=_hostname(),
        environment=os.environ,
        system=Path(program_data, "ssh") if windows else Path("/etc/ssh"),
        windows=windows,
    )


def _hostname() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def home() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return str(Path.home())


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        import getpass

        try:
            return getpass.getuser()
        except (ImportError, KeyError, OSError):
            return ""
