"""Nobody at the keyboard, for tests that log in with a key: every question is a failure."""

from __future__ import annotations

from gpuws.errors import GpuwsError


class Nobody:
    """The Ask and Progress ports."""

    def secret(self, prompt: str) -> str:
        raise GpuwsError("prompt-needed", prompt)

    def text(self, prompt: str) -> str:
        raise GpuwsError("prompt-needed", prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        raise GpuwsError("prompt-needed", question, hint=flag)

    def touch(self, what: str) -> None:
        raise GpuwsError("prompt-needed", what)

    def stage(self, name: str, detail: str = "") -> None:
        return None

    def line(self, text: str) -> None:
        return None

    def note(self, text: str) -> None:
        return None

    def warn(self, text: str) -> None:
        return None

    def advise(self, about: str, *lines: str) -> None:
        return None
