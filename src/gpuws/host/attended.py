"""Whether a person had to do something for a login, which makes it worth keeping."""

from __future__ import annotations

from collections.abc import Callable

from gpuws.plan.ports import Ask


class Attended:
    """The Ask port of one connection. ``begin`` is called before anything is asked for a login;
    what it raises ends the login there."""

    def __init__(self, person: Ask, begin: Callable[[], None] = lambda: None) -> None:
        self.person = person
        self.needed = False
        self._begin = begin

    def secret(self, prompt: str) -> str:
        return self._typed(self.person.secret, prompt)

    def text(self, prompt: str) -> str:
        return self._typed(self.person.text, prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        return self.person.confirm(question, flag=flag)

    def touch(self, what: str) -> None:
        self._begin()
        self.person.touch(what)
        self.needed = True

    def _typed(self, ask: Callable[[str], str], prompt: str) -> str:
        self._begin()
        answer = ask(prompt)
        self.needed = True
        return answer


def aside(ask: Ask) -> Ask:
    """The same person, for questions that are no part of a login, such as of a host key."""
    return ask.person if isinstance(ask, Attended) else ask


def confirmed(ask: Ask) -> None:
    """The person has confirmed something to somebody else: an agent's window, for one."""
    if isinstance(ask, Attended):
        ask.needed = True
