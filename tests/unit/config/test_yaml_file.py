"""YAML that must not hurt: faults have a place and a caret, with both of PyYAML's parsers."""

from __future__ import annotations

import time
import tracemalloc

import pytest
import yaml

from gpuws.config import yaml_file
from gpuws.config.source import HOSTS, Source
from gpuws.config.yaml_file import Items, Node, Scalar, Table, load_yaml
from gpuws.errors import GpuwsError

PARSERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])


@pytest.fixture(params=PARSERS, autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "_LOADER", request.param)


def loaded(text: str) -> Node:
    return load_yaml(Source("f.yml", text))


def refused(text: str) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        loaded(text)
    return caught.value


def plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Items):
        return [plain(each) for each in node.values]
    return {name: plain(value) for name, (_, value) in node.values.items()}


def test_values_keep_their_characters() -> None:
    text = "a: 3.10\nb: [no, 0x1F, 1_000, 2024-01-01, ~, '']\nc:\n  d: |-\n    two\n    lines\n"
    assert plain(loaded(text)) == {
        "a": "3.10",
        "b": ["no", "0x1F", "1_000", "2024-01-01", "~", ""],
        "c": {"d": "two\nlines"},
    }


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("x", "text"),
        ("'3.10'", "text"),
        ("3.10", "number"),
        ("12", "number"),
        ("1:30", "number"),
        ("no", "boolean"),
        ("ON", "boolean"),
        ("2024-01-01", "date"),
        ("~", "nothing"),
        ("null", "nothing"),
        ("", "nothing"),
        ("''", "text"),
        ("=", "sign"),
        ("1.2.3", "text"),
    ],
)
def test_what_yaml_makes_of_a_value_is_known(text: str, sort: str) -> None:
    node = loaded(f"- {text}")
    assert isinstance(node, Items)
    assert isinstance(node.values[0], Scalar)
    assert node.values[0].sort == sort


def test_places_count_from_one() -> None:
    top = loaded("a: 1\nb:\n  - x\n  - {c: d}\n")
    assert isinstance(top, Table)
    items = top.values["b"][1]
    assert isinstance(items, Items)
    assert [(v.line, v.column) for v in items.values] == [(3, 5), (4, 5)]


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n...\n"])
def test_an_empty_file_is_nothing(text: str) -> None:
    node = loaded(text)
    assert isinstance(node, Scalar)
    assert node.sort == "nothing"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1", "duplicate key 'a': line 1 has it already"),
        ("x:\n  a: 1\n  'a': 3\n", "3:3", "duplicate key 'a': line 2 has it already"),
        ("a: !!python/object:os.system x\n", "1:4", "the tag '!!python/object:os.system'"),
        ("a: !!str 1\n", "1:4", "the tag '!!str'"),
        ("a: !mine [1]\n", "1:4", "the tag '!mine'"),
        ("a: ! x\n", "1:4", "the tag '!'"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1", "a tab"),
        ("a:\n\t- b\n", "2:1", "a tab"),
        ("\ta: b\n", "1:1", "a tab"),
        ("d:\n  - pip:\n\t\t- x\n", "3:1", "a tab"),
        ("a: b: c\n", "1:5", "a second ':' on the line"),
        ("a: b\n  c: d\n", "2:4", "a line indented too far"),
        ("a:\n - b\n c: d\n", "3:2", "check the indentation"),
        ("name: x\ndeps\nfoo: 1\n", "3:1", "lacks a ':' (it began in line 2)"),
        ("a: [1, 2\nb: 3\n", "2:2", "a ',' or ']' is missing (it began in line 1)"),
        ("a: {x\n", "1:6", "a ',' or '}' is missing"),
        ("a: 'x\nb: c\n", "2:5", "never closed (it began in line 1)"),
        ("a: @x\n", "1:4", "put quotes around it"),
        ("a: `x`\n", "1:4", "put quotes around it"),
        ("a: b\n---\nc: d\n", "2:1", "a second document"),
        ("<<: {a: b}\n", "1:1", "merge keys"),
        ("b: &b {c: d}\na:\n  <<: *b\n", "3:3", "merge keys"),
        ("? [a]\n: b\n", "1:3", "a list cannot be a key"),
        ("? {a: b}\n: b\n", "1:3", "a map cannot be a key"),
        ("a: *x\n", "1:4", "*x was never given"),
        ("a: &a [*a]\n", "1:8", "*a refers to what it is part of"),
        ('a: "\\0"\n', "1:4", "U+0000"),
        ('a: "\\e[31m"\n', "1:4", "U+001B"),
    ],
)
def test_a_fault_is_told_with_its_place_and_a_caret(text: str, place: str, said: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"f.yml:{place}: ")
    assert said in error.message
    assert (error.code, error.exit) == ("environment-file-invalid", 3)
    line, column = map(int, place.split(":"))
    shown, caret = error.detail.split("\n")
    assert shown == text.split("\n")[line - 1].replace("\t", " ")
    assert caret == " " * (column - 1) + "^"


@pytest.mark.parametrize("text", ["{? : b}", "? \n: b\n", "'': b"])
def test_a_value_without_a_key_is_refused(text: str) -> None:
    assert "a key is missing before the ':'" in refused(text).message


def test_a_fault_of_a_hosts_file_has_its_own_code() -> None:
    with pytest.raises(GpuwsError) as caught:
        load_yaml(Source("hosts.yaml", "a: [", HOSTS))
    assert caught.value.code == "hosts-file-invalid"


DEEP = {
    "lists": "[" * 20_000,
    "lists with values": "[0, " * 20_000,
    "maps": "{a: " * 20_000,
    "block lists": "- " * 20_000 + "x",
    "block maps": "\n".join(" " * n + "a:" for n in range(1000)),
    "questions": "? " * 20_000 + "x",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_deep_nesting_is_refused_quickly(text: str) -> None:
    begin = time.perf_counter()
    error = refused(text)
    took = time.perf_counter() - begin
    assert "nested more than 32 deep" in error.message or "cannot be a key" in error.message
    # The pure Python parser looks far ahead before it gives its first event; libyaml does not.
    assert took < (0.1 if yaml_file._LOADER is not yaml.SafeLoader else 2)


def test_thirty_two_levels_are_accepted() -> None:
    assert loaded("[" * 32 + "]" * 32)
    assert "nested" in refused("[" * 33 + "]" * 33).message


def test_aliases_cannot_add_depth() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 40)]
    assert "nested more than 32 deep" in refused("\n".join(lines)).message


def test_an_alias_bomb_is_refused_in_little_time_and_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    tracemalloc.start()
    begin = time.perf_counter()
    error = refused("\n".join(lines))
    took = time.perf_counter() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "aliases" in error.message
    assert (took < 1, peak < 5_000_000) == (True, True)


def test_a_few_aliases_are_fine() -> None:
    assert plain(loaded("a: &a [x, y]\nb: *a\nc: &c z\nd: *c\n")) == {
        "a": ["x", "y"],
        "b": ["x", "y"],
        "c": "z",
        "d": "z",
    }


def test_a_flood_of_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "MAX_VALUES", 100)
    assert "more than 100 values" in refused("[" + "x," * 200 + "]").message


def test_an_escape_that_no_character_has_is_refused() -> None:
    assert refused('a: "\\UFFFFFFFF"').code == "environment-file-invalid"
    assert refused('a: "\\ud800"').code == "environment-file-invalid"
