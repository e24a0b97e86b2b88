"""Whether an environment lies in one's own root or in the one of a group, from values alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.script import fields
from gpuws.plan.decide import decide_up
from gpuws.plan.facts import facts_from, shared_prefix
from gpuws.plan.lock import Lock, LockedPackage, locked_hash
from gpuws.plan.model import BuiltPrefix, HostEntry, SharedPrefix, SharedRoot
from gpuws.plan.ports import Reply
from gpuws.plan.requests import Reach
from gpuws.plan.sharing import Place, place_of
from tests.unit.plan.test_decide import FACTS, REQUEST, SPEC

GPU_BOX = Path(__file__).parent / "transcripts" / "gpu-box.txt"
HASH = "0123456789abcdef"
SHARED = SharedRoot("/data/vision", "usable", writable=True, owner="root", group="vision")
ENTRY = HostEntry("box", shared_root="/data/vision")
THERE = SharedPrefix(HASH, "micromamba", 10, owner="ann")


def place(shared: SharedRoot | None, entry: HostEntry = ENTRY, own: bool = False) -> Place:
    facts = replace(FACTS, shared=shared, prefixes=(BuiltPrefix(HASH),) if own else ())
    return place_of(HASH, facts, entry, SPEC)


def test_what_the_group_has_is_used_and_what_it_lacks_is_built_there() -> None:
    there = place(replace(SHARED, prefixes=(THERE,)))
    assert (there.root, there.build, there.shared) == ("/data/vision", False, True)
    assert "ann built it" in there.notes[0]
    assert place(SHARED) == Place("/data/vision", build=True, shared=True)
    assert place(replace(SHARED, prefixes=(THERE,), writable=False)).shared


def test_ones_own_that_is_there_comes_first() -> None:
    assert place(replace(SHARED, prefixes=(THERE,)), own=True) == Place(FACTS.root, build=False)
    assert place(replace(SHARED, state="absent"), own=True) == Place(FACTS.root, build=False)


@pytest.mark.parametrize(
    ("shared", "word"),
    [
        (replace(SHARED, writable=False), "may not write there"),
        (replace(SHARED, state="shut", writable=False), "may not write there"),
        (replace(SHARED, state="silent", writable=False), "gives no answer"),
        (replace(SHARED, prefixes=(replace(THERE, fault="it belongs to eve"),)), "eve"),
    ],
)
def test_where_it_cannot_be_shared_it_is_built_in_ones_own_root_and_said(
    shared: SharedRoot, word: str
) -> None:
    found = place(shared)
    assert (found.root, found.build, found.shared) == (FACTS.root, True, False)
    assert word in found.notes[0]


@pytest.mark.parametrize(
    "entry",
    [
        replace(ENTRY, channels=("https://me:word@mirror.example.org/c",)),
        replace(ENTRY, pip_index="https://me:word@mirror.example.org/simple"),
    ],
)
def test_an_address_with_a_password_stays_out_of_what_others_read(entry: HostEntry) -> None:
    found = place(SHARED, entry)
    assert (found.root, found.shared) == (FACTS.root, False)
    assert "password" in found.notes[0]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("absent", "no-shared-root"),
        *((state, "shared-root-unsafe") for state in ("link", "file", "open", "closed")),
        *((state, "shared-root-unsafe") for state in ("outsider", "exposed", "planted")),
    ],
)
def test_a_folder_that_is_none_of_a_groups_is_refused_with_the_way_to_make_one(
    state: str, code: str
) -> None:
    with pytest.raises(GpuwsError) as caught:
        place(replace(SHARED, state=state))
    assert (caught.value.code, caught.value.exit) == (code, 7)
    assert "mkdir /data/vision && chgrp GROUP /data/vision" in caught.value.hint


def test_only_what_comes_from_a_lock_is_shared() -> None:
    request = replace(REQUEST, reach=Reach("box", ENTRY))
    facts = replace(FACTS, shared=SHARED)
    unlocked = decide_up(request, facts)
    assert unlocked.environment.prefix.startswith(FACTS.root)
    assert any("gpuws env lock box" in note for note in unlocked.notes)

    package = LockedPackage("conda", "python", "3.11", "https://c/noarch/p-1-0.conda", "0" * 64)
    lock = Lock("conda-lock.yml", "linux-64", (package,))
    locked = decide_up(replace(request, locks=(lock,)), facts).environment
    assert locked.prefix == f"/data/vision/envs/{locked_hash(lock, ())}"
    assert (locked.shared, locked.build) == ("/data/vision", True)
    assert decide_up(request, facts).folder.startswith(FACTS.root)


def test_a_file_server_that_gives_no_answer_is_told_from_a_folder_that_is_not_there() -> None:
    answer = fields(Reply(GPU_BOX.read_text(encoding="utf-8"), 0))
    assert facts_from(answer).shared is None
    hangs = facts_from({**answer, "shared_root": ["/data/vision"]})
    assert hangs.shared == SharedRoot("/data/vision", "silent")
    told = {"shared_root": ["/data/vision"], "shared_state": ["odd"]}
    assert facts_from({**answer, **told}).doubts == ("shared_state",)


def test_what_the_host_says_of_shared_ones_is_checked() -> None:
    marker = '{"tool":"uv","kb":7}'
    assert shared_prefix(f"{HASH}\tann\t\t{marker}") == SharedPrefix(HASH, "uv", 7, owner="ann")
    assert shared_prefix(f"../{HASH}\tann\t\t{marker}") is None
    odd = shared_prefix(f"{HASH}\ta\x1b[31m\tfault\t{{")
    assert odd == SharedPrefix(HASH, owner="a?[31m", fault="fault")
