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

from gpuws.config.local_code import local_code
from gpuws.config.requirement import check_requirement, split_words
from gpuws.config.source import Source, quoted, read_source
from gpuws.errors import GpuwsError
from gpuws.plan.model import LocalCode, Pairs

MAX_FILES = 100
MAX_CHAIN = 20  # files that each name the next

_REFERENCES = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
_PLACES = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links"})
_WITH_VALUE = _PLACES | {"--no-binary", "--only-binary", "--trusted-host", "--use-feature"}
_FLAGS = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes"})


@dataclass(frozen=True)
class Requirements:
    lines: tuple[str, ...]
    files: Pairs  # (name, text) of what the lines refer to
    notes: tuple[str, ...]
    numbers: tuple[int, ...] = ()  # the place of each line in its file
    local: tuple[LocalCode, ...] = ()  # what lines here and in the files name on this laptop


@dataclass(frozen=True)
class _File:
    """A file whose lines are read: ``name`` is its place among the files that are sent."""

    source: Source
    folder: Path
    name: str
    chain: tuple[Path, ...]  # the files that led here, resolved
    constraint: bool = False  # named by -c, here or on the way here

    def error(self, line: int, message: str, hint: str = "") -> GpuwsError:
        return self.source.error(line, 0, message, hint)


def read_requirements(source: Source, path: Path, project: Path | None = None) -> Requirements:
    """A requirements.txt and all that it refers to. Raises GpuwsError with file and line."""
    return collect(source, path, logical_lines(source.text), project)


def collect(
    source: Source, path: Path, lines: Iterator[tuple[int, str]], project: Path | None
) -> Requirements:
    """Check ``lines`` (number, text) of the file at ``path`` and read what they refer to."""
    reader = _Reader(path.absolute().parent, project or path.absolute().parent)
    top = _File(source, reader.top, "", (path.resolve(),))
    checked = [(reader.checked(top, number, text), number) for number, text in lines]
    return Requirements(
        tuple(text for text, _ in checked),
        tuple(reader.files.items()),
        tuple(reader.notes),
        tuple(number for _, number in checked),
        tuple(reader.local.values()),
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
    project: Path  # whose editables may be its own
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    names: dict[Path, str] = field(default_factory=dict)  # resolved file → the name it is sent by
    local: dict[str, LocalCode] = field(default_factory=dict)  # by line

    def checked(self, file: _File, line: int, text: str) -> str:
        """The line as it is sent. Raises GpuwsError."""
        if "\n" in text:
            raise file.error(line, "one requirement a line: this one has a line end in it")
        try:
            code = self.local.get(text) or local_code(text, self.top, self.project)
            if code:
                return self._of_laptop(file, line, code)
            if text.startswith("-"):
                return self._option(file, line, text)
            check_requirement(text)
        except ValueError as error:
            message, _, hint = str(error).partition("\n")
            raise file.error(line, message, hint) from error
        return text

    def _option(self, file: _File, line: int, text: str) -> str:
        words = split_words(text)
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

    def _of_laptop(self, file: _File, line: int, code: LocalCode) -> str:
        if file.constraint:
            raise ValueError("a constraints file names versions, not local code")
        self.local[code.line] = code
        if not Path(code.path).is_relative_to(os.path.normpath(self.top)):
            place = f"{file.source.at(line)}: {code.path} is outside {self.top}"
            self.notes.append(f"{place}; what is in it is sent to the host")
        return code.line

    # --- references ---

    def _reference(self, file: _File, line: int, text: str, option: str, value: str) -> str:
        if re.match(r"[a-z][a-z0-9+.-]+://", value, re.IGNORECASE):
            raise ValueError(f"{option} takes a file here, not a URL\ndownload it into the project")
        path = file.folder / value
        name = self._name(path, value)
        if name not in self.files:
            self._read(file, line, path, name, constraint=option == "-c")
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

    def _read(self, file: _File, line: int, path: Path, name: str, *, constraint: bool) -> None:
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
        below = file.constraint or constraint
        inner = _File(source, path.parent, name, (*file.chain, real), below)
        self.files[name] = self._text(inner)

    def _text(self, file: _File) -> str:
        """The file's text; where a reference got another name or a line will, written anew."""
        lines = list(logical_lines(file.source.text))
        checked = [self.checked(file, number, text) for number, text in lines]
        if checked == [text for _, text in lines] and not set(checked) & set(self.local):
            return file.source.text
        return "\n".join(checked) + "\n"


def _project(folder: Path) -> Path:
    """The folder that files may come from: the repository's, else the one of the top file."""
    real = folder.resolve()
    return next((each for each in (real, *real.parents) if os.path.lexists(each / ".git")), real)


# --- options ---------------------------------------------------------------------------------


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
    if option not in known:
        near = difflib.get_close_matches(option, known, 1)
        asked = f"did you mean {near[0]}?" if near else "remove it"
        raise ValueError(f"the option {quoted(option)} is not one of a requirements file\n{asked}")
