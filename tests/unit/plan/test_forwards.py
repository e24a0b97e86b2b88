"""What a person writes for a forward, and what of it is believed."""

from __future__ import annotations

import pytest

from gpuws.plan.forwards import believed, first_port, forward_from, joined, words, words_of
from gpuws.plan.model import NamedForward, Target


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("6006", NamedForward("tensorboard", Target(port=6006))),
        ("7000", NamedForward("7000", Target(port=7000))),
        ("80", NamedForward("80", Target(port=80))),
        ("8890:6006", NamedForward("tensorboard", Target(port=6006), 8890)),
        ("node7:8265", NamedForward("ray", Target(host="node7", port=8265))),
        ("8890:10.0.0.7:5000", NamedForward("mlflow", Target(host="10.0.0.7", port=5000), 8890)),
        ("[::1]:7860", NamedForward("gradio", Target(host="::1", port=7860))),
        ("/run/a b/docs.sock", NamedForward("docs.sock", Target(socket="/run/a b/docs.sock"))),
        ("8890:/run/x:y", NamedForward("x-y", Target(socket="/run/x:y"), 8890)),
        ("/run/é", NamedForward("socket", Target(socket="/run/é"))),
    ],
)
def test_what_is_written_is_read_and_can_be_written_again(
    written: str, meant: NamedForward
) -> None:
    assert forward_from(written) == meant
    assert words_of(meant) == written


@pytest.mark.parametrize(
    "written",
    [
        *("", "0", "65536", "99999", "06006", "6006:", ":6006", "80:6006", "70000:6006"),
        *("1:2:3:4", "123:456:789", "-oX:22", "a b:22", "run/x.sock", "8890:relative", "node7"),
        *("/run/../x", "/run/x\n", "/run/\x1b[0m", "/" + "x" * 107, "6006\n", "6006 "),
    ],
)
def test_what_leads_nowhere_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"leads nowhere|local port"):
        forward_from(written)


@pytest.mark.parametrize("name", ["", "jupyter", "../x", "-x", "a b", "x" * 42, "a\tb"])
def test_a_name_is_a_word_and_not_jupyters(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        forward_from("6006", name)


def test_of_a_hosts_list_what_cannot_be_meant_is_left_out_and_there_is_an_end() -> None:
    said = [("a", "6006"), ("b", "no"), ("a", "7000"), *((f"n{n}", "6006") for n in range(99))]
    found = believed(said)
    assert found[:2] == (
        NamedForward("a", Target(port=6006)),
        NamedForward("n0", Target(port=6006)),
    )
    assert len(found) == 16


def test_the_first_group_has_the_word() -> None:
    mine, theirs = forward_from("1111", "a"), forward_from("2222", "a")
    assert joined([mine], [theirs, forward_from("3333", "b")]) == (mine, forward_from("3333", "b"))


@pytest.mark.parametrize(
    ("written", "kept", "port"),
    [
        ("6006", None, 6006),
        ("6006", 6007, 6007),
        ("7000:6006", 6007, 7000),
        ("80", None, 8080),
        ("/x", None, 8889),
        ("/x", 9000, 9000),
    ],
)
def test_the_port_written_down_is_tried_first_then_the_one_it_had_then_the_remotes_own(
    written: str, kept: int | None, port: int
) -> None:
    assert first_port(forward_from(written, "x"), kept) == port


def test_a_person_sees_where_it_leads_how_it_stands_and_why() -> None:
    seen = {"remote": "6006", "local_port": 6007, "state": "open", "reason": "nobody there"}
    assert words(seen) == "127.0.0.1:6007 → 6006 on the host, open: nobody there"
    assert words({**seen, "local_port": None, "state": "closed"}) == "6006 on the host, closed"
