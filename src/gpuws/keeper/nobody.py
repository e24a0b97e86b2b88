"""What the keeper does by itself: nobody watches, and nobody can be asked."""

from __future__ import annotations

import logging

from gpuws.errors import prompt_needed

_log = logging.getLogger("gpuws.keeper")


class Nobody:
    """The Ask port where no person is."""

    def secret(self, prompt: str) -> str:
        raise prompt_needed(prompt)

    def text(self, prompt: str) -> str:
        raise prompt_needed(prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        raise prompt_needed(question, flag)

    def touch(self, what: str) -> None:
        raise prompt_needed(what)


class Silent:
    """The Progress port into the keeper's log."""

    def stage(self, name: str, detail: str = "") -> None:
        _log.info("%s %s", name, detail)

    def line(self, text: str) -> None:
        _log.info("%s", text)

    def note(self, text: str) -> None:
        _log.info("%s", text)

    def warn(self, text: str) -> None:
        _log.warning("%s", text)

    def advise(self, about: str, *lines: str) -> None:
        """Nobody reads it."""
