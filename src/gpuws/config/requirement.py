"""One requirement of pip, as a line or in a list: what the host can install, and what is no such
thing."""

from __future__ import annotations

import re
import shlex

from packaging.requirements import InvalidRequirement, Requirement

from gpuws.config.source import quoted

_LONGEST = 2000
_MOST_BRACKETS = 20
_OF_ONE = ("--hash", "--config-settings", "--config-setting", "--global-option")
_URL = re.compile(r"(git|hg|svn|bzr)\+(https?|ssh|git)://\S+|https?://\S+")
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)(\[[^\]]*\])?$", re.IGNORECASE)


def check_requirement(text: str) -> None:
    """Raises ValueError ("message" or "message, newline, hint") unless the host can install it."""
    bare = checked_shape(text)
    if is_local(bare):
        raise _local(bare)
    if not _URL.fullmatch(re.split(r"\s+;", bare, maxsplit=1)[0]):
        _check_pep508(bare)


def checked_shape(text: str) -> str:
    """The requirement without the options behind it. Raises ValueError."""
    bare, options = split_options(text)
    unknown = next((o for o in options if o.partition("=")[0] not in _OF_ONE), "")
    if unknown:
        raise ValueError(f"the option {quoted(unknown)} cannot follow a requirement")
    if len(bare) > _LONGEST or bare.count("(") > _MOST_BRACKETS:  # packaging's parser recurses
        raise ValueError(f"a requirement of {len(bare)} characters is too long or too nested")
    if not bare.isprintable():
        raise ValueError("a character in this requirement cannot be printed")
    return bare


def split_options(text: str) -> tuple[str, list[str]]:
    """As pip does it: from the first word with a dash on, they are options."""
    found = re.search(r"\s-", text)
    if not found:
        return text, []
    words = split_words(text[found.start() :])
    return text[: found.start()].strip(), [word for word in words if word.startswith("-")]


def split_words(text: str) -> list[str]:
    """As a shell splits them. Raises ValueError."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"a quote is opened and never closed in {quoted(text)}") from error


def is_local(text: str) -> bool:
    """Whether pip would look for it among the files of the machine that it runs on."""
    bare = re.split(r"\s*;", text, maxsplit=1)[0].strip()
    if re.match(r"[./~]|[A-Za-z]:[\\/]|file:|(git|hg|svn|bzr)\+(file|/)", bare, re.IGNORECASE):
        return True
    if " @ " in bare or "://" in bare:
        return False
    return "/" in bare.split("@")[0] or "\\" in bare or bool(_ARCHIVE.search(bare))


def is_published(address: str) -> bool:
    """Whether any machine can download it from there."""
    return bool(_URL.fullmatch(address))


def _check_pep508(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(_explained(text, str(error))) from error
    if requirement.url and not is_published(requirement.url):
        raise _local(text)


def _local(text: str) -> ValueError:
    return ValueError(
        f"{quoted(text)} is local code of this laptop\n"
        "name it in a requirements.txt, or in the pip section of an environment.yml"
    )


def _explained(text: str, said: str) -> str:
    conda = re.fullmatch(r"([A-Za-z0-9._-]+)\s*=\s*([0-9][^=\s]*)(=\S*)?", text)
    if conda:
        return f"{quoted(text)} is conda's form\nfor pip: {conda[1]}=={conda[2]}"
    if "::" in text:
        return f"{quoted(text)} is conda's form\nput it under dependencies: of an environment.yml"
    reason = said.splitlines()[0] if said else "not a requirement"
    return f"{quoted(text)} is no pip requirement: {reason}"
