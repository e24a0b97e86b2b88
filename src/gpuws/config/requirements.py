"""pip's requirement lines: checked one by one, with every file that ``-r`` and ``-c`` name.

The files travel to the host by name, so each ends up with a relative POSIX name that stays inside
the folder it is written to; a reference is rewritten only where its name had to change.
"""

from __future__ import annotations

import difflib
import os
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from packaging.requirements import InvalidRequirement, Requirement

from gpuws.config.source import Source, quoted, read_source
from gpuws.errors import GpuwsError
from gpuws.plan.model import Pairs

MAX_FILES = 100
MAX_CHAIN = 20  # files that each name the next

_LONGEST = 2000
_MOST_BRACKETS = 20

_REFERENCES = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
_PLACES = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links"})
_WITH_VALUE = _PLACES | {"--no-binary", "--only-binary", "--trusted-host", "--use-feature"}
_FLAGS = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes"})
_OF_ONE = ("--hash", "--config-settings", "--config-setting", "--global-option")

_URL = re.compile(r"(git|hg|svn|bzr)\+(https?|ssh|git)://\S+|https?://\S+")
_ARCHIVE = re.compile(r"\.(whl|zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)(\[[^\]]*\])?$", re.IGNORECASE)
_LOCAL_LATER = "publish it, or name it as git+https://…; local code is not sent to the host yet"


@dataclass(frozen=True)
class Requirements:
    lines: tuple[str, ...]
    files: Pairs  # (name, text) of what the lines refer to
    notes: tuple[str, ...]
    numbers: tuple[int, ...] = ()  # the place of each line in its file


@dataclass(frozen=True)
class _File:
    """A file whose lines are read: ``name`` is its place among the files that are sent."""

    source: Source
    folder: Path
    name: str
    chain: tuple[Path, ...]  # the files that led here, resolved

    def error(self, line: int, message: str, hint: str = "") -> GpuwsError:
        return self.source.error(line, 0, message, hint)


def read_requirements(source: Source, path: Path) -> Requirements:
    """A requirements.txt and all that it refers to. Raises GpuwsError with file and line."""
    return collect(source, path, logical_lines(source.text))


def collect(source: Source, path: Path, lines: Iterator[tuple[int, str]]) -> Requirements:
    """Check ``lines`` (number, text) of the file at ``path`` and read what they refer to."""
    reader = _Reader(path.absolute().parent)
    top = _File(source, reader.top, "", (path.resolve(),))
    checked = [(reader.checked(top, number, text), number) for number, text in lines]
    return Requirements(
        tuple(text for text, _ in checked),
        tuple(reader.files.items()),
        tuple(reader.notes),
        tuple(number for _, number in checked),
    )


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text): continued lines joined, comments and blanks left out."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        comment = line.lstrip().startswith("#")
        begun = begun if parts else number
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        parts.append("" if comment else line)
        yield from _uncommented(begun, "".join(parts))
        parts = []
    if parts:
        yield from _uncommented(begun, "".join(parts))


def _uncommented(number: int, line: str) -> Iterator[tuple[int, str]]:
    bare = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
    if bare:
        yield number, bare


# --- one line --------------------------------------------------------------------------------


@dataclass
class _Reader:
    top: Path  # names are relative to this folder
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)  # resolved file → the name it is sent by

    def checked(self, file: _File, line: int, text: str) -> str:
        """The line as it is sent. Raises GpuwsError."""
        if "\n" in text:
            raise file.error(line, "one requirement a line: this one has a line end in it")
        try:
            if text.startswith("-"):
                return self._option(file, line, text)
            check_requirement(text)
        except ValueError as error:
            message, _, hint = str(error).partition("\n")
            raise file.error(line, message, hint) from error
        return text

    def _option(self, file: _File, line: int, text: str) -> str:
        words = _words(text)
        for option, value in _options(words):
            if option in _REFERENCES:
                if len(list(_options(words))) > 1:
                    raise ValueError(f"{option} must stand on a line of its own")
                return self._reference(file, line, text, option, value)
            self._place(file, line, option, value)
        return text

    def _place(self, file: _File, line: int, option: str, value: str) -> None:
        if option not in _PLACES or re.match(r"https?://", value):
            return
        if not re.match(r"file:///|/|\$\{", value):
            raise ValueError(f"{option} takes a URL or a path that begins with '/' on the host")
        self.notes.append(f"{file.source.at(line)}: {option} {value} is looked for on the host")

    # --- references ---

    def _reference(self, file: _File, line: int, text: str, option: str, value: str) -> str:
        if re.match(r"[a-z][a-z0-9+.-]+://", value, re.IGNORECASE):
            raise ValueError(f"{option} takes a file here, not a URL\ndownload it into the project")
        path = file.folder / value
        name = self._name(path, value)
        if name not in self.files:
            self._read(file, line, path, name)
        elif path.resolve() in file.chain:
            raise file.error(line, f"{value} refers back to itself")
        here = posixpath.dirname(file.name)
        relative = posixpath.relpath(name, here or ".")
        return text if relative == value else f"{option} {shlex.quote(relative)}"

    def _name(self, path: Path, value: str) -> str:
        """Where the file goes among those that are sent; outside the top folder: a flat name."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{quoted(value)} cannot be followed") from error
        if real in self.names:
            return self.names[real]
        boundary = _project(self.top)
        if not real.is_relative_to(boundary):
            raise ValueError(f"{value} is outside the project {boundary}\ncopy it into the project")
        inside = PurePath(os.path.normpath(path))
        within = inside.is_relative_to(self.top)
        name = inside.relative_to(self.top).as_posix() if within else ""
        if not within or name in self.names.values():
            plain = re.sub(r"[^A-Za-z0-9._-]", "-", real.name)
            name = f"outside-{len(self.names) + 1}-{plain}"
        self.names[real] = name
        return name

    def _read(self, file: _File, line: int, path: Path, name: str) -> None:
        real = path.resolve()
        if real in file.chain:
            raise file.error(line, f"{path.name} refers back to itself")
        if len(file.chain) >= MAX_CHAIN or len(self.files) >= MAX_FILES:
            raise file.error(line, "too many requirement files refer to one another")
        try:
            source = read_source(path)
        except GpuwsError as error:
            raise file.error(line, error.message, error.hint) from error
        self.files[name] = ""  # its place, before those that it refers to
        inner = _File(source, path.parent, name, (*file.chain, real))
        self.files[name] = self._text(inner)

    def _text(self, file: _File) -> str:
        """The file's text; where a reference got another name, its lines written anew."""
        lines = list(logical_lines(file.source.text))
        checked = [self.checked(file, number, text) for number, text in lines]
        if checked == [text for _, text in lines]:
            return file.source.text
        return "\n".join(checked) + "\n"


def _project(folder: Path) -> Path:
    """The folder that files may come from: the repository's, else the one of the top file."""
    real = folder.resolve()
    return next((each for each in (real, *real.parents) if os.path.lexists(each / ".git")), real)


# --- requirements ----------------------------------------------------------------------------


def check_requirement(text: str) -> None:
    """Raises ValueError ("message" or "message, newline, hint") unless the host can install it."""
    bare, options = _split_options(text)
    unknown = next((o for o in options if o.partition("=")[0] not in _OF_ONE), "")
    if unknown:
        raise ValueError(f"the option {quoted(unknown)} cannot follow a requirement")
    if len(bare) > _LONGEST or bare.count("(") > _MOST_BRACKETS:  # packaging's parser recurses
        raise ValueError(f"a requirement of {len(bare)} characters is too long or too nested")
    if not bare.isprintable():
        raise ValueError("a character in this requirement cannot be printed")
    if _is_local(bare):
        raise ValueError(f"{quoted(bare)} is local code of this laptop\n{_LOCAL_LATER}")
    if not _URL.fullmatch(re.split(r"\s+;", bare, maxsplit=1)[0]):
        _check_pep508(bare)


def _split_options(text: str) -> tuple[str, list[str]]:
    """As pip does it: from the first word with a dash on, they are options."""
    found = re.search(r"\s-", text)
    if not found:
        return text, []
    words = _words(text[found.start() :])
    return text[: found.start()].strip(), [word for word in words if word.startswith("-")]


def _check_pep508(text: str) -> None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(_explained(text, str(error))) from error
    if requirement.url and not _URL.fullmatch(requirement.url):
        raise ValueError(f"{quoted(text)} is local code of this laptop\n{_LOCAL_LATER}")


def _explained(text: str, said: str) -> str:
    conda = re.fullmatch(r"([A-Za-z0-9._-]+)\s*=\s*([0-9][^=\s]*)(=\S*)?", text)
    if conda:
        return f"{quoted(text)} is conda's form\nfor pip: {conda[1]}=={conda[2]}"
    if "::" in text:
        return f"{quoted(text)} is conda's form\nput it under dependencies: of an environment.yml"
    reason = said.splitlines()[0] if said else "not a requirement"
    return f"{quoted(text)} is no pip requirement: {reason}"


def _is_local(text: str) -> bool:
    bare = re.split(r"\s*;", text, maxsplit=1)[0].strip()
    if re.match(r"[./~]|[A-Za-z]:[\\/]|file:|(git|hg|svn|bzr)\+(file|/)", bare, re.IGNORECASE):
        return True
    if "://" in bare or " @ " in bare:
        return False
    return "/" in bare.split("@")[0] or "\\" in bare or bool(_ARCHIVE.search(bare))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"a quote is opened and never closed in {quoted(text)}") from error


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """(option, value) of an option line. Raises ValueError for what gpuws or pip refuses."""
    rest = list(words)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if re.match(r"-[A-Za-z].", option):  # -rbase.txt
            option, equals, value = option[:2], "=", option[2:] + equals + value
        _known(option)
        if option in _FLAGS:
            yield option, ""
            continue
        if not equals and rest:
            value = rest.pop(0)
        if not value:
            raise ValueError(f"{option} lacks its value")
        yield option, value


def _known(option: str) -> None:
    known = [*_REFERENCES, *_WITH_VALUE, *_FLAGS]
    if option in ("-e", "--editable"):
        raise ValueError(f"{option} installs local code in place\n{_LOCAL_LATER}")
    if option not in known:
        near = difflib.get_close_matches(option, known, 1)
        asked = f"did you mean {near[0]}?" if near else "remove it"
        raise ValueError(f"the option {quoted(option)} is not one of a requirements file\n{asked}")
