"""At `down`: whether a snapshot is offered, over a real shell and an environment on this disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gpuws.engines.session import Look
from gpuws.errors import GpuwsError, prompt_needed
from gpuws.journeys.snapshot import offer
from gpuws.journeys.world import World
from gpuws.plan.model import HostEntry, Workspace
from gpuws.plan.ports import Reply, Script
from gpuws.plan.requests import Caller, DownRequest, Reach
from gpuws.plan.results import Snapshot
from gpuws.snapshots import keep
from tests.support.local_host import LocalHost
from tests.support.person import Ear, Person

DIGEST = "1" * 16
REQUEST = DownRequest(Reach("box", HostEntry("box")), Caller("me", "laptop", "/p"))


class Nobody(Person):
    """A laptop without a terminal."""

    def confirm(self, question: str, *, flag: str) -> bool:
        raise prompt_needed(question, flag)


class Hung(LocalHost):
    """Its disk is slow."""

    def run(
        self,
        script: Script,
        *args: str,
        timeout: float = 30.0,
        cap: int = 4 << 20,
        in_sight: bool = False,
    ) -> Reply:
        assert timeout <= 10
        raise GpuwsError("remote-timeout", "no answer")


class Desk:
    """The workspace box/demo in an environment that was changed by hand: +1 -1 ~2."""

    def __init__(self, home: Path) -> None:
        self.host = LocalHost(home)
        self.root = home / "gpuws"
        self.prefix = self.root / "envs" / DIGEST
        self.build = self.root / "builds" / DIGEST
        self.ear = Ear()
        self.build.mkdir(parents=True)
        self.has("numpy-1.26.4", "mdurl-0.1.0", "six-1.16.0")
        listed = "python numpy-1.26.4 pip\npython mdurl-0.1.0 pip\npython six-1.16.0 pip\n"
        (self.prefix / ".gpuws-packages").write_text(listed)
        (self.build / "environment-plain.yml").write_text('dependencies:\n  - "python=3.11"\n')
        (self.build / "requirements.txt").write_text("numpy>=1\nsix\njupyterlab\n")

    def has(self, *names: str) -> None:
        site = self.prefix / "lib/python3.11/site-packages"
        for old in site.glob("*.dist-info"):
            old.rename(self.prefix / f"{old.name}.gone")
        for name in names:
            (site / f"{name}.dist-info").mkdir(parents=True)
            (site / f"{name}.dist-info/INSTALLER").write_text("pip\n")

    def change(self) -> Desk:
        self.has("numpy-1.26.5", "mdurl-0.1.2", "rich-13.7.0")
        return self

    def offers(
        self, request: DownRequest = REQUEST, person: Person | None = None, state: str = "running"
    ) -> tuple[Snapshot, ...]:
        added = {"prefix": str(self.prefix), "environment": {"added": ["jupyterlab"]}}
        world = SimpleNamespace(report=self.ear, ask=person or Person())
        seen = Look(str(self.root), "", 0, 0, "", ())
        workspace = Workspace("demo", state, added)
        return offer(request, workspace, seen, self.host, cast(World, world))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_was_not_changed_is_not_asked_about(desk: Desk) -> None:
    assert desk.offers() == ()
    assert (desk.host.calls, desk.ear.said) == (1, [])
    assert desk.offers(replace(REQUEST, snapshot=True)) == ()
    assert desk.ear.said == [f"nothing is known to be changed in {desk.prefix}"]


def test_a_yes_has_it_written_with_every_version_that_is_there(desk: Desk) -> None:
    person = Person(["yes"])
    [snapshot] = desk.change().offers(person=person)
    assert person.asked == [
        (
            "confirm",
            "the environment of box/demo was changed by hand (+1 -1 ~2): write it to "
            "environment.snapshot.yml first?",
        )
    ]
    assert snapshot.workspace == "box/demo"
    assert [line.strip() for line in snapshot.text.splitlines()] == [
        "name: demo",
        "dependencies:",
        "- python=3.11",
        "- pip",
        "- pip:",
        "- numpy==1.26.5",
        "- six",  # asked for, and removed by hand: the file still asks for it
        "- mdurl==0.1.2  # installed by hand",
        "- rich==13.7.0  # installed by hand",
    ]


def test_a_no_has_nothing_written(desk: Desk) -> None:
    assert desk.change().offers(person=Person(["no"])) == ()


@pytest.mark.parametrize("how", ["no terminal", "--yes"])
def test_where_nobody_answers_it_is_said_once_and_nothing_is_written(desk: Desk, how: str) -> None:
    request = replace(REQUEST, yes=how == "--yes", rm_env=True)
    person = Person() if request.yes else Nobody()
    assert desk.change().offers(request, person) == ()
    assert desk.ear.said == [
        "the environment of box/demo was changed by hand (+1 -1 ~2) and goes with its changes: "
        "`gpuws down --snapshot` would write it into a file"
    ]


def test_the_flags_answer_it(desk: Desk) -> None:
    assert len(desk.change().offers(replace(REQUEST, snapshot=True))) == 1
    calls = desk.host.calls
    assert desk.offers(replace(REQUEST, snapshot=False)) == ()
    assert desk.host.calls == calls


def test_a_second_down_does_not_ask_again_unless_the_environment_goes(desk: Desk) -> None:
    assert desk.change().offers(state="stopped") == ()
    assert desk.host.calls == 0
    person = Person(["no"])
    desk.offers(replace(REQUEST, rm_env=True), person, state="stopped")
    assert len(person.asked) == 1


def test_an_environment_that_gpuws_did_not_make_or_that_is_gone_is_nobodys_question(
    desk: Desk,
) -> None:
    desk.change().prefix.rename(desk.root / "envs/mine")
    assert desk.offers() == ()
    desk.prefix = desk.root / "envs/mine"
    assert desk.offers() == ()
    assert (desk.host.calls, desk.ear.said) == (1, [])


def test_a_host_that_cannot_tell_keeps_nobody_from_stopping(desk: Desk) -> None:
    desk.host = Hung(desk.root.parent)
    assert desk.change().offers() == ()
    assert desk.ear.said == [f"what was changed in {desk.prefix} cannot be asked: no answer"]


# --- on the laptop --------------------------------------------------------------------------------


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "environment.snapshot.yml").write_text("mine")
    (tmp_path / "environment.snapshot-2.yml").symlink_to(tmp_path / "nowhere")
    said: list[str] = []
    [path] = keep([{"workspace": "box/demo", "text": "new\n"}], tmp_path, said.append)
    assert path == str(tmp_path / "environment.snapshot-3.yml")
    assert Path(path).read_text() == "new\n"
    assert (tmp_path / "environment.snapshot.yml").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be_written_is_told_in_full(tmp_path: Path) -> None:
    """The environment may be gone on the host by then."""
    said: list[str] = []
    gone = tmp_path / "gone"
    assert keep([{"workspace": "box/demo", "text": "a: 1\nb: 2\n"}], gone, said.append) == []
    assert said[0].startswith("warning: the snapshot of box/demo cannot be written (No such file")
    assert said[1] == "a: 1\nb: 2"
