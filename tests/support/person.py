"""The person at the laptop, in tests: answers from a list, remembers what was asked."""

from __future__ import annotations

from collections.abc import Sequence


class Person:
    """Ask. Answers in order; ``asked`` holds (how, prompt). An unexpected question is a failure."""

    def __init__(self, answers: Sequence[str] = ()) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def _next(self, how: str, prompt: str) -> str:
        self.asked.append((how, prompt))
        assert self._answers, f"unexpected {how} prompt: {prompt}"
        return self._answers.pop(0)

    def secret(self, prompt: str) -> str:
        return self._next("secret", prompt)

    def text(self, prompt: str) -> str:
        return self._next("text", prompt)

    def confirm(self, question: str, *, flag: str) -> bool:
        return self._next("confirm", question) == "yes"

    def touch(self, what: str) -> None:
        self.asked.append(("touch", what))


class Ear:
    """Progress that keeps every line."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, detail: str = "") -> None:
        self.said.append(f"{name} {detail}".strip())

    def line(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)

    def advise(self, about: str, *lines: str) -> None:
        self.said += [f"{about}: {line}" for line in lines]
