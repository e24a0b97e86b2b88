"""The conditions of a Match line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gpuws.host.ssh_config.lexer import Line, delimited, lower
from gpuws.host.ssh_config.patterns import listed
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood

_Condition = tuple[bool, str, str]
"""(negated, name, value)"""

_BY_PASS = ("canonical", "final")
_LEFT_TO_SSH = ("localnetwork", "sessiontype", "command", "version")


@dataclass(frozen=True)
class Facts:
    """What is known when the line is read. ``succeeds`` runs a command, its tokens expanded."""

    host: str
    original: str
    user: str
    local_user: str
    tag: str
    final: bool  # the second reading
    command: Callable[[str], str]  # the tokens of exec
    succeeds: Callable[[str], bool]


def matched(line: Line, facts: Facts) -> bool:
    """Whether every condition holds. Raises BadLine, NotUnderstood."""
    result = True
    conditions = tuple(_conditions(line))
    _same_for_both_lexers(line, conditions)
    for negated, name, value in conditions:
        if name == "exec":
            command = facts.command(value)
            result = result and facts.succeeds(command) != negated
        elif _holds(name, value, facts) == negated:
            result = False
    return result


def wants_final(line: Line) -> bool:
    """Whether the files must be read once more because of this line."""
    return any(name == "final" for _, name, _ in _conditions(line))


def _conditions(line: Line) -> Iterator[_Condition]:
    """In the order of the line."""
    count = 0
    written, rest = delimited(line.rest)
    while written and not written.startswith("#"):
        name, value = lower(written.removeprefix("!")), ""
        if name not in ("all", *_BY_PASS):
            value, rest = _value(name, rest)
        elif name == "all" and (count > 1 or _says_more(rest)):
            raise BadLine(f"{written} cannot be combined with other conditions of Match")
        yield written.startswith("!"), name, value
        count += 1
        if name == "all":
            return
        written, rest = delimited(rest)
    if not count:
        raise BadLine("Match has no condition")
    if written == "" and rest:
        raise BadLine("Match has extra arguments")


def _value(name: str, rest: str | None) -> tuple[str, str | None]:
    value, rest = delimited(rest)
    if not value or value.startswith("#"):
        raise BadLine(f"Match {name} has no value")
    return value, rest


def _says_more(rest: str | None) -> bool:
    word, _ = delimited(rest)
    return bool(word) and not (word or "").startswith("#")


def _holds(name: str, value: str, facts: Facts) -> bool:
    if name in _BY_PASS:
        return facts.final
    if name in _LEFT_TO_SSH:
        raise NotUnderstood(f"Match {name}")
    caseless = name in ("host", "originalhost")
    subjects = {
        "all": "",
        "host": lower(facts.host),
        "originalhost": lower(facts.original),
        "user": facts.user,
        "localuser": facts.local_user,
        "tagged": facts.tag,
    }
    if name not in subjects:
        raise BadLine(f"Match has no condition {name}")
    return listed(subjects[name], value, caseless=caseless)


def _same_for_both_lexers(line: Line, conditions: tuple[_Condition, ...]) -> None:
    """Until OpenSSH 10 a Match line has the lexer of keywords, since then that of values."""
    rest = list(line.words)
    found = []
    while rest:
        written, equals, value = rest.pop(0).partition("=")
        name = lower(written.removeprefix("!"))
        if not equals and name not in ("all", *_BY_PASS):
            value = rest.pop(0) if rest else ""
        found.append((written.startswith("!"), name, value))
    if tuple(found) != conditions:
        raise NotUnderstood("quotes, backslashes or equal signs in a Match line")
