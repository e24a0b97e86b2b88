"""Reading a user's text file: nothing waits, nothing is guessed, every refusal has its place."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.config.source import HOSTS, MAX_BYTES, Source, quoted, read_text
from gpuws.errors import GpuwsError

from .writing import write

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file kinds")


def refused(path: Path, code: str = "environment-file-invalid") -> str:
    begin = time.monotonic()
    with pytest.raises(GpuwsError) as caught:
        read_text(path, code)
    assert time.monotonic() - begin < 1
    assert caught.value.exit == 3
    return caught.value.message


def test_bom_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    assert read_text(write(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\rc")) == "a: 1\nb: 2\nc"


@POSIX
def test_a_fifo_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a FIFO" in refused(tmp_path / "pipe")


@POSIX
def test_a_fifo_that_takes_the_place_of_the_file_while_it_is_opened_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    regular = write(tmp_path, "x", "file").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **_: regular)
    assert "is a FIFO" in refused(tmp_path / "pipe")


@POSIX
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(device: str) -> None:
    assert "is a device" in refused(Path(device))


@POSIX
def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert "is a socket" in refused(Path("s"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


@POSIX
def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "leads to itself" in refused(tmp_path / "loop")


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root reads everything, so the test steps down while it runs."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@POSIX
def test_an_unreadable_file_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = write(tmp_path, "x")
    path.chmod(0)
    request.getfixturevalue("unprivileged")
    assert "cannot be read: Permission denied" in refused(path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("environment-file-invalid", "environment-file-missing"), (HOSTS, HOSTS)],
)
def test_a_missing_file_has_a_code_of_its_own(tmp_path: Path, code: str, expected: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        read_text(tmp_path / "none.yml", code)
    assert (caught.value.code, caught.value.exit) == (expected, 3)


def test_a_path_with_a_nul_is_refused() -> None:
    assert "cannot be the path of a file" in refused(Path("a\0b"))


def test_one_mebibyte_is_the_most_and_the_size_is_told(tmp_path: Path) -> None:
    assert len(read_text(write(tmp_path, b"a" * MAX_BYTES))) == MAX_BYTES
    assert "has 2,000,000 bytes" in refused(write(tmp_path, b"a" * 2_000_000))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("name: x\n".encode("utf-16"), ":1: the file is UTF-16"),
        ("name: x\n".encode("utf-16-le"), ":1: the file is UTF-16"),
        ("name: x\n".encode("utf-16-be"), ":1: the file is UTF-16"),
        ("name: x\n".encode("utf-32"), ":1: the file is UTF-32"),
        ("a: 1\r\nb: café\n".encode("latin-1"), ":2:7: byte 0xe9 is not UTF-8"),
        ("é: 1\n日é: ".encode() + b"\xff", ":2:5: byte 0xff is not UTF-8"),
        (b"a: 1\nb: x\0y\n", ":2:5: a NUL character"),
        (b"a: 1\nb: \x1b[31m\n", ":2:4: the control character U+001B"),
        ("a: 1\nb: x\u202ey\n".encode(), ":2:5: the control character U+202E"),
        (b"a: 1\n\xef\xbb\xbfb: 2\n", ":2:1: the control character U+FEFF"),
    ],
)
def test_what_is_not_plain_utf8_is_refused_with_its_place(
    tmp_path: Path, data: bytes, said: str
) -> None:
    assert f"environment.yml{said}" in refused(write(tmp_path, data))


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        ("abc: def", 6, "abc: def\n     ^"),
        ("日本: x", 5, "日本: x\n      ^"),  # wide characters take two columns
        ("\tx", 2, " x\n ^"),
        ("a" * 500 + "Z", 501, "a" * 74 + "Z\n" + " " * 74 + "^"),
        ("x\x1b[31m", 1, "x?[31m\n^"),
    ],
)
def test_the_caret_stands_below_the_character(line: str, column: int, expected: str) -> None:
    assert Source("f", line).error(1, column, "m").detail == expected


@pytest.mark.parametrize(
    "line", ["- https://me:hunter2@host/c", "- https://host/t/hunter2/channel"]
)
def test_logins_inside_urls_are_never_shown(line: str) -> None:
    detail = Source("f", line).error(1, 3, "m").detail
    assert "hunter2" not in detail + quoted(line)
    assert "host" in detail
