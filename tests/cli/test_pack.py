"""`env pack` and `env unpack` as typed: contradictions and bad files, before a host is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_contract import failure
from tests.support.laptop import Laptop


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pack", "gpubox", "-o", "x.tar.gz", "--to", "trainbox"), "-o and --to"),
        (("pack", "gpubox", "--from", "venv"), "--from and gpubox"),
        (("pack", "gpubox", "--to", "gpubox"), "already"),
        (("pack", "--from", "venv", "-o", "x.zip"), "x.zip"),
        (("unpack", "x.tar.gz"), "HOST"),
    ],
)
def test_words_that_contradict_each_other_are_refused(
    laptop: Laptop, words: tuple[str, ...], said: str
) -> None:
    error = failure(laptop.run("--json", "env", *words), 2)
    assert said in str(error["message"])


def test_a_file_that_is_there_is_never_written_over(laptop: Laptop) -> None:
    kept = laptop.write("x.tar.gz", "mine")
    error = failure(laptop.run("--json", "env", "pack", "--from", ".", "-o", "x.tar.gz"), 2)
    assert "x.tar.gz is there already" in str(error["message"])
    assert kept.read_text() == "mine"


def test_a_folder_that_is_no_environment_is_named(laptop: Laptop) -> None:
    error = failure(laptop.run("--json", "env", "pack", "--from", "."), 8)
    assert error["code"] == "environment-not-found"
    assert str(laptop.project) in str(error["message"])
    failure(laptop.run("--json", "env", "pack", "--from", "nowhere"), 8)


def _nothing(path: Path) -> None:
    path.with_name("other").touch()


def _text(path: Path) -> None:
    path.write_text("name: demo\n")


@pytest.mark.parametrize("make", [_nothing, _text, Path.mkdir, Path.touch])
def test_what_is_no_archive_is_named_before_the_host_is_reached(
    laptop: Laptop, make: object
) -> None:
    path = laptop.project / "x.tar.gz"
    assert callable(make)
    make(path)
    error = failure(laptop.run("--json", "env", "unpack", "x.tar.gz", "gpubox"), 3)
    assert error["code"] == "pack-invalid"
    assert str(path) in str(error["message"])


def test_a_place_that_cannot_be_written_is_named(laptop: Laptop, tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    words = ("--json", "env", "pack", "--from", str(tmp_path), "-o", "nowhere/x.tar.gz")
    error = failure(laptop.run(*words), 3)
    assert error["code"] == "pack-invalid"
    assert "nowhere/x.tar.gz: No such file" in str(error["message"])
