from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpuws.records import Record, Records


def test_the_last_used_workspace_comes_first(tmp_path: Path) -> None:
    records = Records(tmp_path / "s" / "w.json")
    records.remember(Record("a", "one", used=1.0))
    records.remember(Record("b", "two", used=2.0))
    assert [each.name for each in records.all()] == ["two", "one"]


def test_a_workspace_is_listed_once_and_can_be_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path / "w.json")
    records.remember(Record("a", "one", local_port=8888))
    records.remember(Record("a", "one", local_port=8889))
    assert [each.local_port for each in records.of("a")] == [8889]
    records.forget("a", "one")
    assert records.all() == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"workspaces": 3}', "\x00\x00"])
def test_a_broken_address_book_is_set_aside_and_costs_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.json"
    path.write_text(text)
    assert Records(path).all() == ()
    assert path.with_suffix(".bad").exists()


def test_entries_of_wrong_types_are_dropped_and_good_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    items = [{"host": 3, "name": "x"}, {"host": "a", "name": "b", "local_port": "no"}]
    path.write_text(json.dumps({"workspaces": items}))
    assert Records(path).all() == (Record("a", "b"),)


def test_the_address_book_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "w.json"
    Records(path).remember(Record("a", "b"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_forwards_port_is_kept_when_its_workspace_is_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path / "w.json")
    records.remember(Record("a", "one"))
    records.keep_port("a/one", "board", 6007)
    records.keep_port("a/one", "api", 8000)
    records.keep_port("a/one", "board", 6008)
    records.forget("a", "one")
    assert records.all() == ()
    assert (records.port_of("a/one", "board"), records.port_of("a/one", "api")) == (6008, 8000)
    assert records.port_of("a/two", "board") is None


def test_the_oldest_ports_are_forgotten_and_absurd_ones_never_read(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    ports = {"h/w first": 6006, "h/w bad": "6006", "h/w low": 80, "h/w yes": True}
    path.write_text(json.dumps({"workspaces": [], "ports": ports}))
    records = Records(path)
    assert [records.port_of("h/w", each) for each in ("first", "bad", "low", "yes")] == [
        6006,
        None,
        None,
        None,
    ]
    for number in range(500):
        records.keep_port("h/w", f"n{number}", 7000)
    assert records.port_of("h/w", "first") is None
    assert records.port_of("h/w", "n0") == 7000


def test_what_many_keepers_write_at_once_is_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    names = [f"n{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Records(path).remember(Record("a", name)), names))
    assert {each.name for each in Records(path).all()} == set(names)
    assert [each.name for each in tmp_path.iterdir()] == ["w.json"]


def test_a_lock_that_a_killed_keeper_left_is_waited_out_once(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.with_suffix(".lock").touch()
    Records(path).remember(Record("a", "one"))
    begun = time.monotonic()
    Records(path).remember(Record("a", "two"))
    assert time.monotonic() - begun < 0.4
    assert len(Records(path).all()) == 2
