"""The %-tokens, ``${NAME}`` and ``~`` of ssh_config, for what ``ssh -G`` prints unexpanded."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from gpuws.errors import GpuwsError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TOKEN = re.compile(r"%(.?)", re.DOTALL)


def home() -> str:
    """The home folder that ssh uses: of the password file, not $HOME."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return str(Path.home())


def local_user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return ""


class Tokens:
    """The values of one connection: %h %n %p %r %u %d %i %k %j %l %L %C %%."""

    def __init__(
        self, *, original: str, host: str, port: int, user: str, alias: str | None, jump: str
    ) -> None:
        self.original = original
        self.host = host
        self.port = port
        self.user = user
        self.alias = alias
        self.jump = jump

    def percent(self, text: str, *, keyword: str) -> str:
        """Tokens only, as in ProxyCommand (its shell expands the rest)."""

        def value(match: re.Match[str]) -> str:
            find = self._values.get(match[1])
            if find is None:
                raise _unreadable(f"{keyword} has the unknown token %{match[1]}")
            return find()

        return _TOKEN.sub(value, text)

    def path(self, text: str, *, keyword: str, environment: Mapping[str, str] = os.environ) -> str:
        """``~``, then ``${NAME}`` and tokens in one pass, so that a value is not expanded again."""

        def variable(match: re.Match[str]) -> str:
            if match[1] not in environment:
                raise _unreadable(f"{keyword} needs the variable {match[1]}, which is not set")
            return environment[match[1]]

        pieces = re.split(r"(\$\{[^}]*\})", tilde(text))
        return "".join(
            _VARIABLE.sub(variable, piece)
            if _VARIABLE.fullmatch(piece)
            else self.percent(piece, keyword=keyword)
            for piece in pieces
        )

    @cached_property
    def _values(self) -> dict[str, Callable[[], str]]:
        return {
            "%": lambda: "%",
            "h": lambda: self.host,
            "n": lambda: self.original,
            "p": lambda: str(self.port),
            "r": lambda: self.user,
            "u": local_user,
            "d": home,
            "i": lambda: str(os.getuid()) if hasattr(os, "getuid") else "",
            "k": lambda: self.alias or self.original,
            "j": lambda: self.jump,
            "l": socket.gethostname,
            "L": lambda: socket.gethostname().partition(".")[0],
            "C": self._hash,
        }

    def _hash(self) -> str:
        text = f"{socket.gethostname()}{self.host}{self.port}{self.user}{self.jump}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def tilde(text: str) -> str:
    """A leading ``~`` or ``~user`` as ssh expands it; one in the middle is an ordinary letter."""
    if text == "~" or text.startswith(("~/", "~\\")):
        return home() + text[1:]
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _unreadable(why: str) -> GpuwsError:
    return GpuwsError(
        "profile-unreadable",
        f"your ssh configuration: {why}",
        hint="ssh -G HOST shows what ssh makes of it",
        stage="connect",
    )
