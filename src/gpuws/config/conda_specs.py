"""Conda's match specs, read leniently: as written, but never an option and never shell text."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gpuws.plan.conda_spec import SPEC, URL, parsed

# Packages that a plain Python tool can bring itself: a list of only these needs no conda.
_NEEDS_NO_CONDA = frozenset({"python", "pip", "uv"})

_LONGEST = 500
_WORDS_BEHIND_NAME = 2  # "numpy 1.26 py311_0"
_SPACED_OPERATOR = re.compile(r" *(===|[<>=!~]=|=|<|>|,|\|) *")
_FROM_URL = re.compile(r"(https?|file)://[^\s\[\]]+::.+")
_SHELL = re.compile(r"[;&`$\\{}\n\t]")
_CHANNEL = re.compile(r"[A-Za-z0-9_~/.][A-Za-z0-9_.~/:@%+,=?$\{\}\[\]-]*")


def checked_spec(written: str) -> str:
    """The spec without spaces round operators (mamba 2 breaks on ``abc >= 1.2``).

    Raises ValueError with what is wrong with it.
    """
    text = written.strip(" ")
    if not text:
        raise ValueError("a package is missing")
    if len(text) > _LONGEST:
        raise ValueError(f"a package's spec of {len(text)} characters; {_LONGEST} is the most")
    if text.startswith("-"):
        raise ValueError("a package cannot begin with '-': options are not taken from a file")
    if "{{" in text:
        raise ValueError("templates ({{ }}) are not filled in; write the value")
    bad = _SHELL.search(text) or re.search(r"[^ -~]", text)
    if bad:
        raise ValueError(f"the character {bad.group()!a} cannot be part of a package's spec")
    if URL.fullmatch(text):
        return text
    if re.match(r"[a-z]+\+|[a-z]+://", text) and not _FROM_URL.fullmatch(text):
        raise ValueError("a URL that is no conda package belongs in the pip section")
    return _with_name(_tight(text))


def _tight(text: str) -> str:
    bare, bracket, rest = text.partition("[")
    # "a >= 1, < 2 build" keeps the space before its build.
    bare = _SPACED_OPERATOR.sub(r"\1", re.sub(r" +", " ", bare))
    return (bare.rstrip(" ") if bracket else bare) + bracket + rest


def _with_name(text: str) -> str:
    found = SPEC.fullmatch(text)
    if not found or found["version"].count(" ") > _WORDS_BEHIND_NAME:
        raise ValueError("this is no package spec, such as numpy, numpy=1.26 or numpy>=1.26,<2")
    name, version, bracket = found["name"], found["version"], found["bracket"]
    glued = re.fullmatch(r"python-?([0-9][0-9.]*)", name)
    if glued:
        raise ValueError(f"there is no package {name}; did you mean python={glued[1]}?")
    if bracket and "=" not in bracket:
        raise ValueError(f"extras such as {bracket} exist in the pip section only")
    if re.search(r"=[<>]", version):
        right = re.sub(r"=([<>])", r"\1=", version)
        raise ValueError(f"did you mean {name}{right}?")
    if re.search(r"[=<>!~,|]$", version):
        raise ValueError("a version is missing after the operator")
    return text


def python_constraint(specs: tuple[str, ...]) -> tuple[str | None, bool]:
    """(PEP 440 specifier of python or None for any, whether PEP 440 could express it)."""
    found = [each for spec in specs if (each := parsed(spec)) and each.name == "python"]
    parts = [pep440(each.version) for each in found]
    known = [part for part in parts if part]
    return ",".join(known) or None, None not in parts


def pep440(version: str) -> str | None:
    """A conda version constraint as PEP 440; "" for any, None where it cannot be said."""
    clauses = [_clause(part) for part in version.split(",") if part.lstrip("=") not in ("", "*")]
    try:
        SpecifierSet(",".join(clauses))
    except InvalidSpecifier:
        return None
    return ",".join(clauses)


def _clause(text: str) -> str:
    """One comparison: conda's ``=3.11`` is PEP 440's ``==3.11.*``; ``>=3.10.*`` is ``>=3.10``."""
    found = re.fullmatch(r"(===?|=|[<>!~]=|<|>|)(.*)", text, re.DOTALL)
    operator, version = (found[1], found[2]) if found else ("", text)
    bare = version.rstrip("*").rstrip(".")
    if operator not in ("", "=", "==", "==="):
        return f"{operator}{version if operator == '!=' else bare}"
    fuzzy = bare != version or (operator == "=" and re.fullmatch(r"[0-9]+(\.[0-9]+)?", version))
    return f"=={bare}.*" if fuzzy else f"=={version}"


def kind_of(specs: tuple[str, ...]) -> str:
    """ "pip" where python, pip and uv are all that is asked of conda, else "conda"."""
    parts = [parsed(spec) for spec in specs]
    simple = all(
        each and each.name in _NEEDS_NO_CONDA and not (each.channel or each.build or each.bracket)
        for each in parts
    )
    return "pip" if simple and python_constraint(specs)[1] else "conda"


def checked_channel(written: str) -> str:
    """A channel's name or URL. Raises ValueError."""
    if not written:
        raise ValueError("a channel is missing")
    if written.startswith("-"):
        raise ValueError("a channel cannot begin with '-'")
    if not _CHANNEL.fullmatch(written):
        raise ValueError("a channel is a name such as conda-forge, or a URL")
    return written
