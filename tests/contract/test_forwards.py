"""What the host remembers of a workspace's forwards, under every shell that a host may have."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from gpuws.engines.forwards import forget, remember
from gpuws.engines.session import look
from gpuws.errors import GpuwsError
from gpuws.plan.forwards import forward_from
from tests.support.local_host import LocalHost
from tests.support.shells import shell

__all__ = ["shell"]


class Box:
    """A host with one workspace that was stopped."""

    def __init__(self, home: Path, shell: tuple[str, ...]) -> None:
        self.host = LocalHost(home, shell=shell)
        self.root = home / "ro ot"
        self.folder = self.root / "workspaces" / "demo"
        self.folder.mkdir(parents=True)
        (self.root / ".gpuws-root").touch()
        record = {"schema": 1, "name": "demo", "forwards": {"declared": "7000"}}
        (self.folder / "workspace.json").write_text(json.dumps(record) + "\n")

    @property
    def file(self) -> Path:
        return self.folder / "forwards"

    def remember(self, name: str, words: str) -> None:
        remember(self.host, root=str(self.root), name="demo", forward=forward_from(words, name))

    def forget(self, name: str) -> bool:
        return forget(self.host, root=str(self.root), name="demo", forward=name)

    def known(self) -> dict[str, str]:
        [workspace] = look(self.host, root=str(self.root)).workspaces
        return {each.name: str(each.target) for each in workspace.forwards}


@pytest.fixture
def box(shell: tuple[str, ...], tmp_path: Path) -> Box:
    return Box(tmp_path, shell)


def test_they_are_remembered_in_order_replaced_by_name_and_forgotten(box: Box) -> None:
    box.remember("board", "6006")
    box.remember("door", "8890:/run/a b/it's.sock")
    box.remember("board", "node7:6006")
    assert box.known() == {
        "door": "/run/a b/it's.sock",
        "board": "node7:6006",
        "declared": "127.0.0.1:7000",
    }
    assert box.file.stat().st_mode & 0o777 == 0o600
    assert box.forget("door") is True
    assert box.forget("door") is False
    assert box.file.read_text() == "board\tnode7:6006\n"
    assert box.forget("board") is True
    assert not box.file.exists()


def test_one_whose_name_is_the_end_of_another_is_another(box: Box) -> None:
    box.remember("board", "6006")
    assert box.forget("oard") is False
    assert "board" in box.known()


def test_there_is_an_end_to_them(box: Box) -> None:
    for number in range(16):
        box.remember(f"n{number}", str(7000 + number))
    with pytest.raises(GpuwsError, match="16") as caught:
        box.remember("more", "8000")
    assert caught.value.code == "forward-exists"
    box.remember("n3", "8000")
    assert len(box.file.read_text().splitlines()) == 16


def test_a_link_is_replaced_and_never_written_through(box: Box, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    box.file.symlink_to(elsewhere)
    box.remember("board", "6006")
    assert elsewhere.read_text() == "mine\n"
    assert box.file.read_text() == "board\t6006\n"
    assert not box.file.is_symlink()


def test_two_laptops_at_once_lose_nothing(box: Box) -> None:
    names = [f"n{number}" for number in range(6)]
    threads = [threading.Thread(target=box.remember, args=(name, "6006")) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(box.known()) == {*names, "declared"}


def test_a_workspace_that_is_not_there_is_named(box: Box) -> None:
    with pytest.raises(GpuwsError) as caught:
        forget(box.host, root=str(box.root), name="other", forward="board")
    assert caught.value.code == "workspace-not-found"
