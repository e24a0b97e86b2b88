"""Which environments nobody wants, which one is meant, and what a workspace remembers."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.inventory import (
    Environment,
    before,
    earlier,
    earlier_after,
    garbage,
    inventory_from,
    meant,
    size,
    whose,
)
from gpuws.plan.model import Workspace

A, B, C = ("a" * 16, "ab" * 8, "c" * 16)
ROOT = "/h/gpuws"


def one(digest: str, state: str = "complete", **more: object) -> Environment:
    return Environment(digest, f"{ROOT}/envs/{digest}", state, **more)  # type: ignore[arg-type]


def workspace(prefix: str = "", **raw: object) -> Workspace:
    return Workspace("demo", "stopped", raw={"prefix": prefix, **raw})


def test_only_what_nobody_uses_is_garbage() -> None:
    free, unfinished = one(A), one(B, "unfinished")
    kept = [
        one(C, used_by=("demo",)),
        one(C, processes=(7,)),
        one(C, "building"),
        one(C, tools=("tmux",)),
        one(C, earlier_of=("demo",)),
    ]
    assert garbage([free, unfinished, *kept]) == (free, unfinished)
    assert garbage([free, *kept], earlier=True) == (free, kept[-1])


def test_a_shared_one_is_no_garbage_and_yields_to_ones_own() -> None:
    shared = Environment(A, f"/data/envs/{A}", "complete", shared=True, owner="ann")
    assert garbage([shared, one(B)]) == (one(B),)
    assert meant([shared, one(B)], A) == shared
    assert meant([shared, one(A)], A) == one(A)
    named = workspace(earlier=[A])
    assert before(named, [shared], None) == shared.prefix
    assert before(named, [shared, one(A)], None) == one(A).prefix
    with pytest.raises(GpuwsError):
        before(named, [replace(shared, fault="others may write in it")], None)


def test_shared_ones_are_listed_with_whose_they_are() -> None:
    answer = {
        "environment": [f"{A}\tcomplete\t0\t{{}}"],
        "process": [f"{A}\t7"],
        "shared_prefix": [f'{A}\tann\t\t{{"created":9,"kb":5}}', "../x\tann\t\t{}"],
        "shared_process": [f"{A}\t8"],
    }
    mine = workspace(f"/data/envs/{A}")
    shared, own = inventory_from(answer, ROOT, [mine], "/data")
    assert (shared.owner, shared.kb, shared.processes) == ("ann", 5, (8,))
    assert (shared.used_by, own.used_by, own.processes) == (("demo",), (), (7,))
    assert whose(asdict(shared)) == "shared by ann; demo; processes 8"
    assert len(inventory_from(answer, ROOT, [mine])) == 1


@pytest.mark.parametrize(
    ("word", "found"), [(A, A), ("aaaa", A), ("abab", B), ("demo", C), ("cccc", C)]
)
def test_one_is_named_by_hash_beginning_or_link(word: str, found: str) -> None:
    assert meant([one(A), one(B), one(C, names=("demo",))], word).hash == found


@pytest.mark.parametrize("word", ["a", "abc", "nothing", "aba", ""])
def test_what_is_unclear_or_unknown_is_refused_with_what_is_there(word: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        meant([one(A), one(B)], word)
    assert caught.value.code == "environment-not-found"
    assert A in caught.value.hint


def test_a_workspace_remembers_where_it_was_newest_first_and_not_twice() -> None:
    known = workspace(f"{ROOT}/envs/{A}", earlier=[B, C, A])
    assert earlier_after(known, f"{ROOT}/envs/{C}") == [A, B]
    assert earlier_after(known, f"{ROOT}/envs/{A}") == [B, C]
    assert earlier_after(None, f"{ROOT}/envs/{A}") == []
    assert earlier_after(workspace("/opt/conda/envs/x"), f"{ROOT}/envs/{A}") == []


@pytest.mark.parametrize("raw", [None, "x", [1, "../..", "ABC", ""], {"a": 1}])
def test_what_a_host_made_up_is_no_earlier_environment(raw: object) -> None:
    assert earlier(workspace(earlier=raw)) == ()


def test_a_rollback_skips_what_is_gone_and_takes_a_named_one() -> None:
    there = [one(A), one(B, "unfinished"), one(C)]
    known = workspace(f"{ROOT}/envs/{C}", earlier=[B, "d" * 16, A])
    assert before(known, there, None) == f"{ROOT}/envs/{A}"
    assert before(known, there, "cccc") == f"{ROOT}/envs/{C}"
    for word in (None, "abab"):
        with pytest.raises(GpuwsError) as caught:
            before(workspace(earlier=[B]), there, word)
        assert caught.value.code == "environment-not-found"


def test_absurd_answers_are_dropped() -> None:
    said = {
        "environment": [
            f"{A}\tcomplete\t0\t" + '{"kb":5,"tool":"uv","created":9}',
            f"{B}\tcomplete\t0\tnot json",
            "../../etc\tcomplete\t0\t{}",
            f"{C}\tperfect\t0\t{{}}",
            C,
        ],
        "process": [f"{A}\t12", f"{A}\tx", f"{A}"],
        "link": [f"demo\t{A}"],
    }
    found = inventory_from(said, ROOT, [])
    assert [each.hash for each in found] == [A, B]
    assert (found[0].kb, found[0].tool, found[0].processes) == (5, "uv", (12,))
    assert found[1] == one(B)


def test_words() -> None:
    told = {"state": "complete", "used_by": [], "earlier_of": [], "processes": [], "tools": []}
    assert whose(told) == "nobody uses it"
    assert whose({**told, "state": "unfinished"}) == "unfinished, nobody builds it"
    assert whose({**told, "state": "building"}) == "being built"
    more = {**told, "used_by": ["a", "b"], "processes": [7], "earlier_of": ["c"]}
    assert whose(more) == "a, b; processes 7; rollback of c"
    assert whose({**told, "tools": ["tmux"]}) == "gpuws's tmux"
    assert [size(0), size(2048), size(3_400_000)] == ["size ?", "2 MB", "3.4 GB"]
