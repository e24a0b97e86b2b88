"""Who changed what since an environment was built, from what its books tell."""

from __future__ import annotations

from gpuws.plan.changes import Command, Touch, commands_from, touches_from
from gpuws.plan.drift import Package


def test_an_entry_has_its_owner_its_time_and_whether_it_was_asked_for() -> None:
    found = touches_from(
        [
            "1764061920 mira asked python rich-13.7.0",
            "1764061921 mira - python mdurl-0.1.2",
            "0 ? - conda numpy-1.26.4-py311h1",
        ]
    )
    assert found == (
        Touch(Package("python", "rich", "13.7.0", "?"), "mira", 1764061920, asked=True),
        Touch(Package("python", "mdurl", "0.1.2", "?"), "mira", 1764061921),
        Touch(Package("conda", "numpy", "1.26.4", "conda", "py311h1")),
    )


def test_what_is_no_such_line_is_dropped() -> None:
    assert touches_from(["", "x mira - python rich-1", "1 mira - brew wget-1", "1 mira -"]) == ()


def test_commands_are_told_without_credentials_and_made_inert() -> None:
    [found] = commands_from(
        ["2026-11-25 09:12:00\tconda install -c https://u:pw@host/t/tk-1/x numpy \x1b[2J", "", "\t"]
    )
    assert found == Command("2026-11-25 09:12:00", "conda install -c https://host/x numpy ?[2J")


def test_a_command_that_was_noted_at_its_begin_and_its_end_is_one() -> None:
    found = commands_from(["1\tadd a", "2\tadd b", "3\tadd b", "4\tadd a"])
    assert [(each.date, each.line) for each in found] == [
        ("1", "add a"),
        ("3", "add b"),
        ("4", "add a"),
    ]
