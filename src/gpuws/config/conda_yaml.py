"""environment.yml, key by key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gpuws.config.conda_specs import checked_channel, checked_spec, kind_of, python_constraint
from gpuws.config.foreign import origin
from gpuws.config.requirements import Requirements, collect
from gpuws.config.source import Source, quoted
from gpuws.config.variables import checked_variables
from gpuws.config.yaml_file import Items, Node, Scalar, Table, describe, load_yaml
from gpuws.errors import GpuwsError
from gpuws.plan.model import EnvironmentSpec, Pairs, Place
from gpuws.plan.naming import check_name

_KEYS = ("name", "channels", "dependencies", "variables", "prefix")
_NO_PIP = Requirements((), (), ())

_Listed = tuple[tuple[str, int], ...]
"""What is written, each with the number of its line."""


def read_conda_yaml(source: Source, path: Path, project: Path | None = None) -> EnvironmentSpec:
    """Raises GpuwsError with file, line and column."""
    return _File(source, path, project).spec()


@dataclass(frozen=True)
class _File:
    source: Source
    path: Path
    project: Path | None

    def spec(self) -> EnvironmentSpec:
        table = self._top()
        listed, pip_section = self._dependencies(table)
        conda = tuple(written for written, _ in listed)
        pip, pip_notes = self._pip(pip_section)
        notes = (*self._unknown(table), *self._prefix_note(table), *pip_notes)
        if not conda and not pip.lines:
            notes = (*notes, f"{self.source.shown} names no packages")
        return EnvironmentSpec(
            source=self.source.shown,
            kind=kind_of(conda),
            name=self._name(table),
            channels=self._channels(table),
            conda=conda,
            pip=pip.lines,
            pip_files=pip.files,
            local=pip.local,
            variables=self._variables(table),
            python=python_constraint(conda)[0],
            notes=(*notes, *pip.notes),
            foreign=origin(conda, pip.lines, self._prefix(table)),
            places=self._places(table, listed, pip),
        )

    # --- the file as a whole ---

    def _top(self) -> Table:
        node = load_yaml(self.source)
        if isinstance(node, Scalar) and node.sort == "nothing":
            raise self._error(node, "the file is empty", "give it `dependencies:`")
        if not isinstance(node, Table):
            raise self._error(
                node,
                f"the file holds {describe(node)} where keys such as `dependencies:` belong",
                "a file of one package a line is a requirements.txt",
            )
        if "package" in node.values and "metadata" in node.values:
            raise self._error(node, "this is a lock file, which cannot be built from yet")
        return node

    def _unknown(self, table: Table) -> Iterator[str]:
        for name, (key, _) in table.values.items():
            if name in _KEYS:
                continue
            near = difflib.get_close_matches(name, _KEYS, 1, 0.75)
            if near and near[0] not in table.values:
                raise self._error(key, f"unknown key {quoted(name)}", f"did you mean {near[0]}:?")
            yield f"{self.source.at(key.line)}: the key {quoted(name)} is not known and is ignored"

    def _name(self, table: Table) -> str | None:
        found = table.values.get("name")
        if not found:
            return None
        key, node = found
        if not isinstance(node, Scalar):
            raise self._error(node, f"name: takes text, not {describe(node)}")
        if not node.text:
            raise self._error(key, "name: has no value", "write one, or leave name: out")
        if node.sort != "text":
            raise self._must_quote(node, "name: ")
        try:
            return check_name(node.text)
        except GpuwsError as error:
            place = f"{self.source.shown}:{node.line}:{node.column}"
            raise GpuwsError(error.code, f"{place}: {error.message}", hint=error.hint) from error

    def _prefix(self, table: Table) -> str:
        node = table.values["prefix"][1] if "prefix" in table.values else None
        return node.text if isinstance(node, Scalar) else ""

    def _prefix_note(self, table: Table) -> Iterator[str]:
        if "prefix" in table.values:
            line = table.values["prefix"][0].line
            yield f"{self.source.at(line)}: prefix: is ignored; gpuws chooses the folder"

    def _channels(self, table: Table) -> tuple[str, ...]:
        return tuple(self._channel(node) for node in self._list(table, "channels"))

    def _channel(self, node: Node) -> str:
        try:
            return checked_channel(self._text(node, "a channel"))
        except ValueError as error:
            raise self._error(node, str(error)) from error

    def _variables(self, table: Table) -> Pairs:
        found = table.values.get("variables")
        return checked_variables(self.source, found[1], "variables") if found else ()

    def _places(self, table: Table, conda: _Listed, pip: Requirements) -> tuple[Place, ...]:
        _, variables = table.values.get("variables", (None, None))
        keys = variables.values.values() if isinstance(variables, Table) else ()
        at = self.source.places
        return (
            *at("channels", ((self._channel(n), n.line) for n in self._list(table, "channels"))),
            *at("conda", conda),
            *at("pip", zip(pip.lines, pip.numbers, strict=True)),
            *at("variables", ((key.text, key.line) for key, _ in keys)),
        )

    # --- dependencies ---

    def _dependencies(self, table: Table) -> tuple[_Listed, Node | None]:
        """(conda's specs, the value of the ``pip:`` map)."""
        specs: list[tuple[str, int]] = []
        section: tuple[Scalar, Node] | None = None
        for node in self._list(table, "dependencies"):
            if not isinstance(node, Table):
                specs.append((self._spec(node), node.line))
                continue
            pip = self._pip_map(node)
            if section:
                raise self._error(pip[0], f"a second pip: list; line {section[0].line} has one")
            section = pip
        return tuple(specs), section[1] if section else None

    def _spec(self, node: Node) -> str:
        text = self._text(node, "a package")
        try:
            return checked_spec(text)
        except ValueError as error:
            raise self._error(node, str(error)) from error

    def _pip_map(self, node: Table) -> tuple[Scalar, Node]:
        for name, (key, value) in node.values.items():
            if name == "pip":
                continue
            if name.startswith("sel("):
                raise self._error(key, "selectors are mamba's own", "write the package itself")
            said = f": {value.text}" if isinstance(value, Scalar) else ":"
            meant = f"{name}={value.text}" if isinstance(value, Scalar) else name
            raise self._error(
                key, f"{quoted(name + said)} is a map; only pip: is", f"write {quoted(meant)}"
            )
        if "pip" not in node.values:
            raise self._error(node, "a package is missing: this is an empty map")
        return node.values["pip"]

    def _pip(self, section: Node | None) -> tuple[Requirements, tuple[str, ...]]:
        if section is None:
            return _NO_PIP, ()
        if isinstance(section, Scalar) and section.sort == "nothing":
            note = f"{self.source.at(section.line)}: pip: has nothing indented below it"
            return _NO_PIP, (note,)
        if not isinstance(section, Items):
            raise self._error(section, f"pip: takes a list, not {describe(section)}")
        lines = ((n.line, self._text(n, "a pip requirement").strip()) for n in section.values)
        filled = (self._not_blank(line, text) for line, text in lines)
        return collect(self.source, self.path, filled, self.project), ()

    def _not_blank(self, line: int, text: str) -> tuple[int, str]:
        if not text or text.startswith("#"):
            raise self.source.error(line, 0, "a pip requirement is missing")
        return line, text

    # --- nodes to values ---

    def _list(self, table: Table, key: str) -> tuple[Node, ...]:
        if key not in table.values:
            return ()
        node = table.values[key][1]
        if isinstance(node, Scalar) and node.sort == "nothing":
            return ()
        if not isinstance(node, Items):
            raise self._error(node, f"{key}: takes a list, not {describe(node)}")
        return node.values

    def _text(self, node: Node, what: str) -> str:
        if not isinstance(node, Scalar):
            raise self._error(node, f"{what} is text, not {describe(node)}")
        if node.sort == "nothing":
            raise self._error(node, f"{what} is missing here")
        if node.sort != "text":
            raise self._must_quote(node, "")
        return node.text

    def _must_quote(self, node: Scalar, key: str) -> GpuwsError:
        return self._error(
            node,
            f"YAML reads {node.text} as {describe(node)}, not as text",
            f"quote it: {key}'{node.text}'",
        )

    def _error(self, node: Node, message: str, hint: str = "") -> GpuwsError:
        return self.source.error(node.line, node.column, message, hint)
