"""A Dockerfile read as strictly as its reference allows: what is not understood is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KNOWN = frozenset({"FROM", "USER", "RUN", "ENV"})
_ENV = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\$]|\\["\\$])*)"|([A-Za-z0-9_./:-]*))')


@dataclass(frozen=True)
class Instruction:
    """``text`` of a RUN is what the shell gets: continued lines joined, as docker does it."""

    word: str
    text: str

    @property
    def variable(self) -> tuple[str, str]:
        """Of an ENV: name and value without its quotes."""
        found = _ENV.fullmatch(self.text)
        assert found, self.text
        quoted = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
        return found[1], quoted


def instructions(text: str) -> list[Instruction]:
    """Comments are left out, also those between continued lines; nothing is substituted."""
    assert text.endswith("\n")
    found, parts = [], list[str]()
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        assert line.strip(), "an empty line inside an instruction is deprecated"
        parts.append(line.removesuffix("\\"))
        if not line.endswith("\\"):
            found.append(_instruction("".join(parts)))
            parts = []
    assert not parts, "the last instruction is continued into nothing"
    assert found[0].word == "FROM"
    return found


def _instruction(line: str) -> Instruction:
    word, space, rest = line.partition(" ")
    assert word in _KNOWN, line
    assert space, line
    assert rest, line
    assert word != "RUN" or "<<" not in rest, "that would begin a heredoc"
    made = Instruction(word, rest)
    assert word != "ENV" or made.variable
    return made
