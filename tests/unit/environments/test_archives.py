"""The laptop's cache of archives, against a real HTTP server on loopback."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.environments.archives import Archives
from gpuws.errors import GpuwsError
from gpuws.keeper.downloading import download
from gpuws.plan.lock import LockedPackage
from tests.support.file_server import FileServer, serving
from tests.support.people import Nobody

DATA = os.urandom(300_000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "channel").mkdir()
    with serving(tmp_path / "channel") as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Archives:
    return Archives(download, tmp_path / "cache")


def published(
    server: FileServer, name: str = "zlib-1.3-h1_0.conda", data: bytes = DATA
) -> LockedPackage:
    (server.folder / name).write_bytes(data)
    return LockedPackage("conda", "zlib", "1.3", server.url(name), hashlib.sha256(data).hexdigest())


def one(cache: Archives, package: LockedPackage) -> Path:
    [found] = cache.all([package], Nobody())
    assert (found.size, found.sha256) == (
        found.path.stat().st_size,
        hashlib.sha256(found.path.read_bytes()).hexdigest(),
    )
    return found.path


def refused(cache: Archives, *packages: LockedPackage) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        cache.all(packages, Nobody())
    return caught.value


def files(tmp_path: Path) -> list[str]:
    return sorted(each.name for each in (tmp_path / "cache").rglob("*") if each.is_file())


def test_an_archive_is_downloaded_once(server: FileServer, cache: Archives) -> None:
    package = published(server)
    assert one(cache, package).read_bytes() == DATA
    assert one(cache, package).name == "zlib-1.3-h1_0.conda"
    assert len(server.asked) == 1


def test_a_channel_on_disk_is_read(server: FileServer, cache: Archives) -> None:
    package = published(server, "odd name-1-0.conda".replace(" ", "_"))
    local = replace(package, url=(server.folder / package.file).as_uri())
    assert one(cache, local).read_bytes() == DATA
    assert server.asked == []


def test_md5_is_enough_where_the_lock_has_nothing_better(
    server: FileServer, cache: Archives
) -> None:
    package = published(server)
    digest = hashlib.md5(DATA).hexdigest()
    assert one(cache, replace(package, sha256="", md5=digest)).read_bytes() == DATA
    wrong = replace(package, sha256="", md5=hashlib.md5(b"").hexdigest())
    assert refused(cache, wrong).code == "wrong-hash"


def test_a_cut_download_goes_on_where_it_was(
    server: FileServer, cache: Archives, tmp_path: Path
) -> None:
    package = published(server)
    server.cut_after = 100_000
    error = refused(cache, package)
    assert (error.code, error.retryable) == ("channel-unreachable", True)
    assert "100000 of 300000 bytes" in error.message
    assert files(tmp_path) == [package.file + ".part"]
    server.cut_after = None
    assert one(cache, package).read_bytes() == DATA
    assert [asked for _, asked in server.asked] == ["", "bytes=100000-"]
    assert server.sent == len(DATA)
    assert files(tmp_path) == [package.file]


def test_a_server_that_cannot_go_on_in_the_middle_starts_again(
    server: FileServer, cache: Archives
) -> None:
    package = published(server)
    server.cut_after = 100_000
    refused(cache, package)
    server.cut_after, server.ranges = None, False
    assert one(cache, package).read_bytes() == DATA
    assert len(server.asked) == 2


@pytest.mark.parametrize("extra", [b"", b"more than there should be"])
def test_a_part_that_is_as_long_as_the_file_is_no_trap(
    server: FileServer, cache: Archives, tmp_path: Path, extra: bytes
) -> None:
    package = published(server)
    place = one(cache, package)
    place.rename(place.with_name(place.name + ".part")).write_bytes(DATA + extra)
    assert one(cache, package).read_bytes() == DATA
    assert files(tmp_path) == [package.file]


def test_a_part_with_wrong_bytes_is_thrown_away(
    server: FileServer, cache: Archives, tmp_path: Path
) -> None:
    package = published(server)
    place = one(cache, package)
    place.rename(place.with_name(place.name + ".part")).write_bytes(b"x" * 1000)
    assert one(cache, package).read_bytes() == DATA
    assert [asked for _, asked in server.asked] == ["", "bytes=1000-", ""]
    assert files(tmp_path) == [package.file]


def test_a_spoiled_archive_of_the_cache_is_downloaded_again(
    server: FileServer, cache: Archives
) -> None:
    package = published(server)
    one(cache, package).write_bytes(DATA[:-1] + b"x")
    assert one(cache, package).read_bytes() == DATA


def test_what_is_not_what_the_lock_promises_is_refused_and_not_kept(
    server: FileServer, cache: Archives, tmp_path: Path
) -> None:
    package = published(server)
    (server.folder / package.file).write_bytes(DATA[::-1])
    error = refused(cache, package)
    assert (error.code, error.exit) == ("wrong-hash", 8)
    assert package.file in error.message
    assert len(server.asked) == 2
    assert files(tmp_path) == []


def test_credentials_reach_the_server_and_no_message(server: FileServer, cache: Archives) -> None:
    package = published(server)
    (server.folder / "t").mkdir()
    locked = replace(package, url=server.url(package.file, "me:p%40ss@"))
    server.login = "Basic bWU6cEBzcw=="  # me:p@ss
    assert one(cache, locked).read_bytes() == DATA
    token = replace(package, url=server.url("t/s3cret/none.conda", "me:p%40ss@"), sha256="0" * 64)
    server.login = "Basic other"
    error = refused(cache, token)
    assert error.code == "channel-unreachable"
    assert "HTTP Error 401" in error.message and "/none.conda" in error.message
    assert not any(word in error.message for word in ("s3cret", "p%40ss", "p@ss", "me:"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": ""}, "no hash"),
        ({"sha256": "../../x"}, "no hash"),
        ({"url": "http://127.0.0.1:1/a/.."}, "name of a file"),
        ({"url": "http://127.0.0.1:1/a/.hidden"}, "name of a file"),
        ({"url": "http://127.0.0.1:1/x.conda?a=b"}, "name of a file"),
        ({"url": "http://127.0.0.1:1/a b"}, "name of a file"),
    ],
)
def test_a_lock_that_cannot_be_followed_is_refused_before_a_byte(
    cache: Archives, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    sound = LockedPackage("conda", "x", "1", "http://127.0.0.1:1/x.conda", "0" * 64)
    error = refused(cache, replace(sound, **change))  # type: ignore[arg-type]
    assert (error.code, error.exit) == ("environment-file-invalid", 3)
    assert said in error.message
    assert files(tmp_path) == []


def test_an_address_of_another_kind_is_refused(cache: Archives) -> None:
    error = refused(cache, LockedPackage("conda", "x", "1", "ftp://x/x.conda", "0" * 64))
    assert error.code == "channel-unreachable"
    assert "neither http(s) nor a file" in error.message


def test_some_are_downloaded_at_once_but_not_all(server: FileServer, cache: Archives) -> None:
    packages = [published(server, f"p{n}-1-0.conda", os.urandom(1000)) for n in range(12)]
    server.gate = threading.Semaphore(0)
    opener = threading.Timer(0.5, server.gate.release, (12,))
    opener.start()
    found = cache.all(packages, Nobody())
    opener.join()
    assert [each.sha256 for each in found] == [each.sha256 for each in packages]
    assert server.together == 4


def test_the_first_failure_ends_the_others(server: FileServer, cache: Archives) -> None:
    missing = replace(published(server), url="http://127.0.0.1:1/none.conda")
    packages = [published(server, f"p{n}-1-0.conda", os.urandom(1000)) for n in range(30)]
    server.gate = threading.Semaphore(3)
    opener = threading.Timer(0.5, server.gate.release, (30,))
    opener.start()
    error = refused(cache, missing, *packages)
    opener.join()
    assert (error.code, "none.conda" in error.message) == ("channel-unreachable", True)
    assert len(server.asked) < 15


def test_two_caches_in_one_folder_do_each_other_no_harm(
    server: FileServer, cache: Archives, tmp_path: Path
) -> None:
    package = published(server, data=os.urandom(3_000_000))
    server.gate = threading.Semaphore(0)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(one(cache, package))) for _ in range(3)]
    for each in threads:
        each.start()
    deadline = time.monotonic() + 10
    while server.together < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    server.gate.release(3)
    for each in threads:
        each.join(20)
    assert len(found) == 3 and len(set(found)) == 1
    assert files(tmp_path) == [package.file]


def test_the_part_of_a_gpuws_that_was_killed_is_taken_up(
    server: FileServer, cache: Archives, tmp_path: Path
) -> None:
    package = published(server)
    place = one(cache, package)
    fresh, old = (place.with_name(f"{place.name}.part.{n}-1") for n in (1, 2))
    place.unlink()
    fresh.write_bytes(DATA[:5])
    old.write_bytes(DATA[:1000])
    os.utime(old, (time.time() - 600,) * 2)
    one(cache, package)
    assert server.asked[-1][1] == "bytes=1000-"
    assert files(tmp_path) == [package.file, fresh.name]  # the fresh one is somebody's


def test_a_cache_that_cannot_be_written_says_which_variable_moves_it(
    server: FileServer, tmp_path: Path
) -> None:
    package = published(server)
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / package.sha256[:2]).write_text("in the way")
    error = refused(Archives(download, tmp_path / "cache"), package)
    assert (error.code, error.exit) == ("usage", 2)
    assert "GPUWS_CACHE_DIR" in error.hint


def test_an_archive_is_never_whole_in_memory(tmp_path: Path, cache: Archives) -> None:
    size = 48 << 20
    big = tmp_path / "big-1-0.conda"
    with big.open("wb") as file:
        file.truncate(size)
    digest = hashlib.sha256(bytes(size)).hexdigest()
    tracemalloc.start()
    try:
        found = cache.all([LockedPackage("conda", "big", "1", big.as_uri(), digest)], Nobody())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[0].size == size
    assert peak < 8 << 20
