"""Which cards a workspace sees, and what it says about those that others use."""

from __future__ import annotations

import pytest

from gpuws.errors import GpuwsError
from gpuws.plan.gpus import choose_gpus
from gpuws.plan.model import Gpu, GpuProcess


def card(index: int, *users: str, used: int = 0, busy: int = 0) -> Gpu:
    uuid = f"GPU-00000000-0000-4000-8000-00000000000{index}"
    processes = tuple(GpuProcess(100 + i, user) for i, user in enumerate(users))
    return Gpu(index, uuid, "A100", 81920, used, busy, tuple(users), processes)


BOX = (
    card(0, "jonas", used=70000, busy=99),
    card(1, "me", used=9000),
    card(2, used=3),
    card(3, used=3, busy=50),
)


def test_without_a_wish_all_cards_are_visible_and_foreign_use_is_told() -> None:
    choice = choose_gpus(None, BOX, "me")
    assert (choice.indices, choice.visible) == (None, None)
    assert choice.warnings == ("GPU 0 (A100) is used by jonas: 68.4 of 80.0 GiB taken",)


def test_a_count_takes_the_least_busy_in_the_order_of_their_indices() -> None:
    assert choose_gpus("1", BOX, "me").indices == (2,)
    assert choose_gpus("2", BOX, "me").indices == (2, 3)
    assert choose_gpus("3", BOX, "me").indices == (1, 2, 3)
    assert choose_gpus("2", BOX, "me").warnings == ()


def test_processes_of_others_count_more_than_memory() -> None:
    two = (card(0, "jonas", used=10), card(1, "me", used=70000))
    assert choose_gpus("1", two, "me").indices == (1,)


def test_a_card_that_tells_no_memory_counts_as_full() -> None:
    assert choose_gpus("1", (card(0, used=-1), card(1, used=500)), "me").indices == (1,)
    assert choose_gpus("1", (card(0, busy=-1), card(1, busy=50)), "me").indices == (1,)
    assert choose_gpus("1", (card(1, busy=0), card(0, busy=5)), "me").indices == (1,)


def test_indices_are_taken_as_they_are_and_named_by_uuid() -> None:
    choice = choose_gpus("2, 0,0", BOX, "me")
    assert choice.indices == (2, 0)
    assert choice.visible == f"{BOX[2].uuid},{BOX[0].uuid}"
    assert "jonas" in choice.warnings[0]


def test_a_trailing_comma_makes_an_index_of_a_count() -> None:
    assert choose_gpus("1,", BOX, "me").indices == (1,)


def test_none_hides_every_card() -> None:
    choice = choose_gpus("none", BOX, "me")
    assert (choice.indices, choice.visible, choice.warnings) == ((), "", ())


@pytest.mark.parametrize("wanted", ["5", "0,9", "7,"])
def test_a_card_that_is_not_there_is_refused_with_those_that_are(wanted: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        choose_gpus(wanted, BOX, "me")
    assert caught.value.code == "no-gpu"
    assert "0 (A100), 1 (A100), 2 (A100), 3 (A100)" in caught.value.hint


def test_a_wish_on_a_host_without_cards_says_that_there_are_none() -> None:
    assert choose_gpus(None, (), "me").warnings == ()
    with pytest.raises(GpuwsError, match="no GPU that nvidia-smi shows"):
        choose_gpus("1", (), "me")


@pytest.mark.parametrize("wanted", ["0", "", "two", "-1", "0-2", ",", "1;2", "9" * 30, "٣"])
def test_what_is_no_choice_is_refused_with_the_three_ways_to_say_it(wanted: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        choose_gpus(wanted, BOX, "me")
    assert caught.value.code == "usage"
    assert "--gpus 2: the two least busy" in caught.value.hint


def test_memory_that_no_visible_process_holds_is_told() -> None:
    (said,) = choose_gpus(None, (card(0, used=40960),), "me").warnings
    assert (
        said == "GPU 0 (A100) is used by a process the host does not show: 40.0 of 80.0 GiB taken"
    )


def test_a_process_of_somebody_the_host_hides_is_foreign() -> None:
    (said,) = choose_gpus(None, (card(0, "?", used=40960),), "me").warnings
    assert "used by somebody else" in said
    (said,) = choose_gpus(None, (card(0, "?", "jonas", used=40960),), "me").warnings
    assert "used by jonas and others" in said
