"""Readers of values that have a grammar of their own: forwards, agents, lists, limits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gpuws.host.ssh_config.jumps import host_and_rest
from gpuws.host.ssh_config.lexer import Line, lower
from gpuws.host.ssh_config.patterns import listed
from gpuws.host.ssh_config.refusing import BadLine, NotUnderstood
from gpuws.host.ssh_config.values import (
    BOTH,
    LARGEST,
    Reader,
    names,
    no_more,
    one,
    port_of,
    seconds,
    whole,
)


def agent(line: Line) -> tuple[str, ...]:
    """A socket, or $NAME of a variable that has its path."""
    text = one(line)
    if re.match(r"\$(?!\{)", text) and not re.fullmatch(r"\$[A-Za-z0-9_]+", text):
        raise BadLine(f"{text[:40]!r} is no variable")
    return (text,)


def forwarded_agent(line: Line) -> tuple[str, ...]:
    said = BOTH.get(lower(one(line)))
    return ("yes" if said == "true" else "no",) if said else agent(line)


def added_to_agent(line: Line) -> tuple[str, ...]:
    known = {**BOTH, "ask": "ask", "confirm": "confirm"}
    no_more(line, 2)
    text, *more = line.words or ("",)
    meant = known.get(lower(text))
    if not text or (more and meant != "confirm"):
        raise BadLine(f"{line.keyword} takes yes, no, ask, confirm or a time")
    if more:
        return (f"confirm {seconds(more[0])}",)
    return (meant or str(seconds(text)),)


def persisted(line: Line) -> tuple[str, ...]:
    """Seconds, or yes for as long as it may be."""
    text = one(line)
    if text in BOTH:
        return ("yes" if BOTH[text] == "true" else "no",)
    return (str(seconds(text) or "yes"),)


def forward(line: Line) -> tuple[str, ...]:
    """[address:]port or path, then where it leads."""
    _forwarding(line, most=2, least=2)
    return (" ".join(line.words),)


def remote_forward(line: Line) -> tuple[str, ...]:
    _forwarding(line, most=2, least=1, remote=True)
    return (" ".join(line.words),)


def dynamic_forward(line: Line) -> tuple[str, ...]:
    _forwarding(line, most=1, least=1)
    return (" ".join(line.words),)


def _forwarding(line: Line, *, most: int, least: int, remote: bool = False) -> None:
    no_more(line, most)
    if len(line.words) < least or "" in line.words:
        raise BadLine(f"{line.keyword} has no target")
    here, *there = (_fields(each) for each in line.words)
    _listening(here, remote)
    if there:
        _target(there[0])


def _fields(text: str) -> tuple[str, ...]:
    """The parts between colons; brackets hold a part together and are left out."""
    if "\\" in text:
        raise NotUnderstood("a backslash in a forward")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[]*)(?::(\[[^\]]*\]|[^:\[]*))?", text)
    if found is None:
        raise BadLine(f"{text[:60]!r} is no end of a forward")
    return tuple(part.strip("[]") for part in found.groups() if part is not None)


def _listening(fields: tuple[str, ...], remote: bool) -> None:
    if len(fields) == 2 or "/" not in fields[0]:
        port_of(fields[-1], least=0 if remote else 1)


def _target(fields: tuple[str, ...]) -> None:
    if len(fields) == 2:
        port_of(fields[1])
    elif "/" not in fields[0]:
        raise BadLine(f"{fields[0][:60]!r} is no host and port")


def permitted(line: Line) -> tuple[str, ...]:
    """PermitRemoteOpen: host:port, or any or none alone."""
    for text in line.words:
        if lower(text) in ("any", "none"):
            no_more(line, 1)
        else:
            host, after = host_and_rest(text)
            if not host or (after[1:] != "*" and not port_of(after[1:])):
                raise BadLine(f"{text[:60]!r} is no host and port")
    return line.words


def sent(line: Line) -> tuple[str, ...]:
    if any(not text or "=" in text for text in line.words):
        raise BadLine("that is no name of a variable")
    return line.words


def assigned(line: Line) -> tuple[str, ...]:
    if any("=" not in text for text in line.words):
        raise BadLine("SetEnv takes NAME=VALUE")
    return line.words


def escape(line: Line) -> tuple[str, ...]:
    text = one(line)
    if text != "none" and len(text) > 1 and not re.fullmatch(r"\^[@-\x7f]", text):
        raise BadLine(f"{text[:40]!r} is no escape character")
    return (text,)


def rekey(line: Line) -> tuple[str, ...]:
    no_more(line, 2)
    text, *more = line.words or ("",)
    found = re.fullmatch(r"[ \t]*\+?(\d{1,12})(?:\.\d*)?([BKMGTPEbkmgtpe]?)", text)
    if text != "default" and (not found or (0 < int(found[1]) < 16 and found[2] in ("", *"bB"))):
        raise BadLine(f"{text[:40]!r} is no amount of data")
    if more and more[0] != "none":
        seconds(more[0])
    return line.words


def mask(line: Line) -> tuple[str, ...]:
    text = one(line)
    found = re.match(r"[ \t]*\+?([0-7]+)", text)
    if not found or int(found[1], 8) > 0o777:
        raise BadLine(f"{text[:40]!r} is no mask")
    return (text,)


def device(line: Line) -> tuple[str, ...]:
    text = one(line)
    here, colon, there = text.partition(":")
    for part in (here, there) if colon else (here,):
        if lower(part) != "any":
            whole(part, LARGEST - 2)
    return (text,)


def domains(line: Line) -> tuple[str, ...]:
    for text in names(line):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text) or ".." in text:
            raise BadLine(f"{text[:60]!r} is no domain")
    return tuple(lower(text).removesuffix(".") for text in line.words)


def aliased(line: Line) -> tuple[str, ...]:
    """CanonicalizePermittedCNAMEs: from:to, * or none."""
    for text in line.words:
        if lower(text) == "none":
            no_more(line, 1)
        elif text != "*" and not text.partition(":")[2]:
            raise BadLine(f"{text[:60]!r} is no pair of patterns")
    return line.words


def quality(known: Iterable[str]) -> Reader:
    """IPQoS: one or two names or numbers."""
    accepted = frozenset(known)

    def read(line: Line) -> tuple[str, ...]:
        no_more(line, 2)
        for text in line.words or ("",):
            if lower(text) not in accepted and not _is_byte(text):
                raise BadLine(f"{text[:40]!r} is no quality of service")
        return line.words

    return read


def _is_byte(text: str) -> bool:
    if not re.fullmatch(r"[ \t]*\+?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)", text):
        return False
    plain = text.strip().lstrip("+")
    octal = plain.startswith("0") and plain[1:].isdigit()
    return int(plain, 8 if octal else 0) <= 255


def algorithms(known: Iterable[str], *, wildcards: bool = False) -> Reader:
    """A list behind +, - or ^; behind - nothing is checked, as with ssh."""
    accepted = tuple(known)

    def is_known(name: str) -> bool:
        return name in accepted or (
            wildcards and any(listed(each, name.removeprefix("!")) for each in accepted)
        )

    def read(line: Line) -> tuple[str, ...]:
        text = one(line)
        rest = text[1:] if text[0] in "+^" else text
        unknown = [name for name in rest.split(",") if not is_known(name)]
        if text[0] != "-" and unknown:
            raise NotUnderstood(f"the algorithm {unknown[0][:60]!r} of {line.keyword}")
        return (text,)

    return read
