"""YAML as the user's files need it: no tags, no duplicate keys, no bombs, places kept.

The tree is built from PyYAML's events, not by its constructors: those recurse (20,000 open
brackets end in RecursionError), keep the last of two equal keys without a word, and turn
``name: 3.10`` into 3.1 before anyone can say "quote it".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from gpuws.config.source import Source, control_character, quoted
from gpuws.errors import GpuwsError

MAX_DEPTH = 32
MAX_VALUES = 200_000  # memory: some 30 MB
MAX_ALIASED = 10_000  # values that aliases add, counted as if written out
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Scalar:
    """One value as its characters. ``plain``: written without quotes."""

    line: int
    column: int
    text: str
    plain: bool

    @property
    def sort(self) -> str:
        """What YAML 1.1 makes of it: text, or nothing, boolean, number, date, sign."""
        if not self.plain:
            return "text"
        resolvers = yaml.SafeLoader.yaml_implicit_resolvers
        for tag, pattern in resolvers.get(self.text[:1], []):
            if pattern.match(self.text):
                return _SORTS.get(tag.rpartition(":")[2], "text")
        return "text"


@dataclass(frozen=True)
class Items:
    line: int
    column: int
    values: tuple[Node, ...]


@dataclass(frozen=True)
class Table:
    line: int
    column: int
    values: dict[str, tuple[Scalar, Node]]


Node = Scalar | Items | Table

_SORTS = {
    "null": "nothing",
    "bool": "boolean",
    "int": "number",
    "float": "number",
    "timestamp": "date",
    "merge": "sign",
    "value": "sign",
}


def load_yaml(source: Source) -> Node:
    """The one document of the file; an empty file is a plain empty scalar.

    Raises GpuwsError with the source's code, the line, the column and a caret.
    """
    try:
        return _Builder(source).build(yaml.parse(source.text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(source, error) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise source.error(1, 0, f"this is not YAML: {quoted(reason[0])}") from error


def describe(node: Node) -> str:
    """What a node is, in the words of a message."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a map"
    names = {"nothing": "nothing", "boolean": "yes/no", "number": "a number", "date": "a date"}
    return names.get(node.sort, "text")


# --- events to nodes -------------------------------------------------------------------------


@dataclass
class _Open:
    """A list or map that is not closed yet. ``size`` and ``height`` count what is below it."""

    line: int
    column: int
    table: bool
    anchor: str | None
    values: list[Node] = field(default_factory=list)
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    key: Scalar | None = None
    size: int = 1
    height: int = 1

    def closed(self) -> Node:
        if self.table:
            return Table(self.line, self.column, self.entries)
        return Items(self.line, self.column, tuple(self.values))


class _Builder:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}  # node, its size, its height
        self._values = 0
        self._aliased = 0
        self._root: Node = Scalar(1, 1, "", True)
        self._documents = 0

    def build(self, events: Iterator[yaml.Event]) -> Node:
        for event in events:
            self._take(event)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._open.pop()
            self._add(done.closed(), done.anchor, done.size, done.height)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error(event, "a second document begins here; the file takes one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._no_tag(event, event.tag)
        self._count(event)
        found = control_character(event.value)  # an escape such as "\0" hides one from read_text
        if found:
            raise self._error(event, f"the text contains U+{ord(found.group()):04X}")
        line, column = _place(event)
        node = Scalar(line, column, event.value, event.implicit[0])
        self._add(node, event.anchor, 1, 0)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._no_tag(event, event.tag)
        self._count(event)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(event, f"lists and maps are nested more than {MAX_DEPTH} deep")
        table = isinstance(event, yaml.MappingStartEvent)
        if self._open and self._open[-1].table and self._open[-1].key is None:
            raise self._error(event, f"a {'map' if table else 'list'} cannot be a key")
        self._open.append(_Open(*_place(event), table, event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor
        if name not in self._anchors:
            within = any(each.anchor == name for each in self._open)
            reason = "refers to what it is part of" if within else "was never given with &"
            raise self._error(event, f"*{name} {reason}")
        node, size, height = self._anchors[name]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise self._error(
                event, f"aliases (*{name} is one) repeat more than {MAX_ALIASED:,} values"
            )
        if len(self._open) + height > MAX_DEPTH:
            raise self._error(event, f"lists and maps are nested more than {MAX_DEPTH} deep")
        line, column = _place(event)
        if isinstance(node, Scalar):  # messages shall point at the use
            node = Scalar(line, column, node.text, node.plain)
        self._add(node, None, size, height)

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if not parent.table:
            parent.values.append(node)
        elif parent.key is None:
            parent.key = self._key(node, parent)
        else:
            parent.entries[parent.key.text] = (parent.key, node)
            parent.key = None

    def _key(self, node: Node, parent: _Open) -> Scalar:
        if not isinstance(node, Scalar):
            raise self._source.error(node.line, node.column, "a key must be text")
        if node.sort == "sign" and node.text == "<<":
            raise self._source.error(
                node.line, node.column, "merge keys (<<) are not supported", "write the keys out"
            )
        if not node.text:
            raise self._source.error(node.line, node.column, "a key is missing before the ':'")
        first = parent.entries.get(node.text)
        if first:
            raise self._source.error(
                node.line,
                node.column,
                f"duplicate key {quoted(node.text)}: line {first[0].line} has it already",
                "remove one of the two",
            )
        return node

    def _count(self, event: yaml.Event) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._error(event, f"the file has more than {MAX_VALUES:,} values")

    def _no_tag(self, event: yaml.Event, tag: str | None) -> None:
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            raise self._error(event, f"the tag {quoted(shown)} is not allowed", "remove it")

    def _error(self, event: yaml.Event, message: str, hint: str = "") -> GpuwsError:
        return self._source.error(*_place(event), message, hint)


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


# --- the parser's own errors -----------------------------------------------------------------

# libyaml and the pure Python parser use different words for the same faults.
_SAID_BETTER = (
    # libyaml's own limit, where it looks far enough ahead to meet it before ours
    ("exceeded maximum nesting", f"lists and maps are nested more than {MAX_DEPTH} deep"),
    ("mapping values are not allowed", "a second ':' on the line, or a line indented too far"),
    ("cannot start any token", "a value cannot begin with this character; put quotes around it"),
    ("could not find expected ':'", "this line or the one before lacks a ':'"),
    (
        "maximum nesting depth",
        f"lists and maps are nested more than {MAX_DEPTH} deep",
    ),  # libyaml's own
    ("end of stream", "a quote is opened and never closed"),
    ("expected '-' indicator", "this line does not fit the list above it: check the indentation"),
    ("expected <block end>", "this line does not fit the ones above it: check the indentation"),
    ("expected key", "this line does not fit the map above it: check the indentation"),
    ("expected node content", "a value or a closing bracket is missing"),
    ("expected the node content", "a value or a closing bracket is missing"),
    ("expected ',' or ']'", "a ',' or ']' is missing"),
    ("expected ',' or '}'", "a ',' or '}' is missing"),
)


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> GpuwsError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    last = len(source.lines)
    while line > 1 and line >= last and not source.line(line).strip():  # the end of the file
        line, last = line - 1, last - 1
        column = len(source.line(line)) + 1
    tab = _tab_at_fault(source.line(line), column)
    if tab:
        return source.error(line, tab, "a tab; YAML is indented with spaces", "replace the tab")
    problem = error.problem or "a fault"
    said = next((text for part, text in _SAID_BETTER if part in problem), problem)
    began = error.context_mark.line + 1 if error.context_mark else line
    since = f" (it began in line {began})" if began < line else ""
    return source.error(line, column, f"this is not YAML: {said}{since}")


def _tab_at_fault(line: str, column: int) -> int:
    """The column of a tab that YAML stumbles over, or 0."""
    indentation = line[: len(line) - len(line.lstrip())]
    if "\t" in indentation:
        return indentation.index("\t") + 1
    return column if line[column - 1 : column] == "\t" else 0
