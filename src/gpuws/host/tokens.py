"""The %-tokens, ``${NAME}`` and ``~`` of ssh_config, as OpenSSH expands them.

What few need is imported late here and in the modules around: a shell waits for the names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gpuws.host.here import Here
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood

ALL = "CLdhijklnpru"
PROXY = "hknpr"

Values = Mapping[str, Callable[[], str]]


def expand(text: str, values: Values | None, environment: Mapping[str, str] | None) -> str:
    """Both in one pass, so that a value is not expanded again. None: not expanded at all.

    Raises BadLine for an unknown token and for a variable that is not set.
    """
    done: list[str] = []
    at = 0
    while at < len(text):
        if environment is not None and text.startswith("${", at):
            name, at = _variable(text, at)
            done.append(_valued(name, environment))
        elif values is not None and text[at] == "%":
            done.append(_token(text[at + 1 : at + 2], values))
            at += 2
        else:
            done.append(text[at])
            at += 1
    return "".join(done)


def _variable(text: str, at: int) -> tuple[str, int]:
    end = text.find("}", at)
    if end < at + 3:
        raise BadLine("a ${ without a name and a }")
    return text[at + 2 : end], end + 1


def _valued(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise BadLine(f"the variable {name} is not set")
    return environment[name]


def _token(letter: str, values: Values) -> str:
    if letter == "%":
        return "%"
    if letter not in values:
        raise BadLine(f"there is no token %{letter}")
    return values[letter]()


def tilde(text: str, here: Here) -> str:
    """A leading ``~`` or ``~user``; one in the middle is an ordinary letter. Raises BadLine."""
    if not text.startswith("~"):
        return text
    user, _, rest = text[1:].partition("/")
    home = here.home_of(user)
    if home is None:
        raise BadLine(f"there is no user {user}")
    return f"{home.rstrip('/')}/{rest.lstrip('/')}"


def not_known(token: str) -> Callable[[], str]:
    """A token whose meaning depends on the version of ssh."""

    def refuse() -> str:
        raise NotUnderstood(f"the token {token} with a jump host")

    return refuse


@dataclass(frozen=True)
class Tokens:
    """The values of one connection. ``hash_`` and ``jump`` are asked for where they are needed."""

    here: Here
    original: str
    host: str
    port: int
    user: str
    key_alias: str
    hash_: Callable[[], str] | None = None  # of %C, where a jump host is part of it
    jump: Callable[[], str] | None = None  # of %j

    def percent(self, text: str, accepted: str = ALL) -> str:
        """Tokens only, as in ProxyCommand (its shell expands the rest)."""
        return expand(text, self.values(accepted), None)

    def path(self, text: str) -> str:
        """``~``, then ``${NAME}`` and tokens."""
        return expand(tilde(text, self.here), self.values(ALL), self.here.environment)

    def values(self, accepted: str = ALL) -> Values:
        known: dict[str, Callable[[], str]] = {
            "h": lambda: self.host,
            "n": lambda: self.original,
            "p": lambda: str(self.port),
            "r": lambda: self.user,
            "u": lambda: self.here.user,
            "d": lambda: self.here.home,
            "i": lambda: self.here.uid,
            "k": lambda: self.key_alias,
            "l": lambda: self.here.hostname,
            "L": lambda: self.here.hostname.partition(".")[0],
            "C": self.hash_ or self._hash,
            "j": self.jump or not_known("%j"),
        }
        return {letter: known[letter] for letter in accepted}

    def _hash(self) -> str:
        import hashlib

        text = f"{self.here.hostname}{self.host}{self.port}{self.user}"
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
