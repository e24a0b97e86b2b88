"""Environment files that cannot be: exit 3, the place in the file, and nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_contract import failure
from tests.support.laptop import Laptop

HEAD = "name: demo\ndependencies:\n"
BOMB = "".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n",
        *(
            f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "dependencies: *i\n",
    ]
)

TEXTS = {
    "tabs": ("name: demo\ndependencies:\n\t- numpy\n", ":3:1"),
    "duplicate keys": ("name: a\nname: b\ndependencies: []\n", ":2:1"),
    "alias bomb": (BOMB, ""),
    "deep nesting": ("[" * 20_000, ""),
    "2 MB": (HEAD + "  - numpy\n" * 200_000, "1 MiB"),
    "a name that is a number": ("name: 3.10\ndependencies: [pip]\n", ":1"),
    "a name that is a path": ("name: ../x\ndependencies: [pip]\n", "../x"),
    "python3.10": (HEAD + "  - python3.10\n", "did you mean python=3.10?"),
    "a list": ("- numpy\n", ""),
    "wrong types": ("name: demo\ndependencies: numpy\n", ":2"),
    "a control character": (HEAD + "  - nu\x07mpy\n", ":3"),
    "an unclosed bracket": ("name: demo\ndependencies: [\n", ":"),
}


def refused(laptop: Laptop, *more: str) -> dict[str, object]:
    return failure(laptop.run("--json", "up", "gpubox", *more, timeout=20), 3)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_bad_environment_file_is_named_with_its_place(laptop: Laptop, kind: str) -> None:
    text, place = TEXTS[kind]
    laptop.write("environment.yml", text)
    error = refused(laptop)
    assert error["code"] in ("environment-file-invalid", "bad-name")
    assert place in str(error["message"])


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere.yml")


def _latin(path: Path) -> None:
    path.write_bytes("name: demo\ndependencies:\n  - é\n".encode("latin-1"))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_fifo, _folder, _dangling, _latin, _device])
def test_what_is_no_text_file_is_refused_at_once(
    laptop: Laptop, make: Callable[[Path], None]
) -> None:
    make(laptop.project / "environment.yml")
    assert str(refused(laptop)["code"]).startswith("environment-file-")


def test_a_file_that_is_not_there_is_named(laptop: Laptop) -> None:
    error = refused(laptop, "-f", "other.yml")
    assert error["code"] == "environment-file-missing"
    assert "other.yml" in str(error["message"])


@pytest.mark.parametrize("start", ["﻿", ""], ids=["BOM", "CRLF"])
def test_files_from_windows_are_read(laptop: Laptop, start: str) -> None:
    """They are fine: what fails is the connection."""
    text = start + "name: demo\r\ndependencies:\r\n  - pip\r\n"
    (laptop.project / "environment.yml").write_bytes(text.encode())
    failure(laptop.run("--json", "up", "gpubox"), 6)


@pytest.mark.parametrize("name", ["../x", "", "a/b", "base", "con", "x" * 60, "a b", "-x"])
def test_a_name_that_cannot_be_a_workspace_is_refused(laptop: Laptop, name: str) -> None:
    laptop.write("environment.yml", HEAD + "  - pip\n")
    error = refused(laptop, f"--name={name}")
    assert error["code"] == "bad-name"
    assert "--name" in str(error["hint"])


def test_mistakes_in_hosts_yaml_are_told_with_file_and_line(laptop: Laptop) -> None:
    laptop.hosts("hosts:\n  gpubox:\n    rooot: /data\n")
    error = failure(laptop.run("--json", "url", "gpubox"), 3)
    assert "hosts.yaml:3:5" in str(error["message"])
    assert "root:" in str(error["hint"])


def test_a_mistake_in_another_hosts_entry_is_told_and_harms_nothing(laptop: Laptop) -> None:
    laptop.hosts("hosts:\n  other:\n    rooot: /data\n  gpubox:\n    root: /data\n")
    done = laptop.run("url", "gpubox")
    assert done.code == 6
    assert "hosts.yaml:3:5" in done.err


def test_a_hosts_file_that_is_named_must_be_there(laptop: Laptop) -> None:
    error = failure(laptop.run("--json", "--hosts", "nowhere.yaml", "url", "gpubox"), 3)
    assert error["code"] == "hosts-file-invalid"


@pytest.mark.parametrize(
    ("second", "code", "said"),
    [
        ("gone.yml", "environment-file-missing", "gone.yml"),
        ("bad.yml", "environment-file-invalid", "bad.yml:1"),
        (".", "environment-file-invalid", "."),
    ],
)
def test_each_of_several_files_is_checked(
    laptop: Laptop, second: str, code: str, said: str
) -> None:
    laptop.write("environment.yml", HEAD + "  - pip\n")
    laptop.write("bad.yml", "- numpy\n")
    error = refused(laptop, "-f", "environment.yml", "-f", second)
    assert error["code"] == code
    assert said in str(error["message"])
    added = laptop.run("--json", "env", "add", "gpubox", "-f", second, "-f", "bad.yml", "rich")
    assert failure(added, 3)["code"] == "environment-file-invalid"
    assert (laptop.project / "bad.yml").read_text() == "- numpy\n"


def test_a_package_needs_a_file_to_go_to(laptop: Laptop) -> None:
    error = failure(laptop.run("--json", "env", "add", "gpubox", "rich"), 3)
    assert (error["code"], error["hint"]) == ("environment-file-missing", "name one with -f FILE")
