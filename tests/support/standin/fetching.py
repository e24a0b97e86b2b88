"""Archives into the package cache: downloaded once, hashes checked, whatever the scheme."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import rattler
import zstandard

from .faults import Faults
from .files import Locked
from .solving import Record

_AT_ONCE = 5


class NotFetched(Exception):
    """A download that failed; ``status`` is the HTTP status, 0 where there was none."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.status, self.reason = url, status, reason


class WrongHash(Exception):
    def __init__(self, file: Path, expected: str, actual: str) -> None:
        super().__init__(f"{file.name}: expected {expected}, found {actual}")
        self.file, self.expected, self.actual = file, expected, actual


def fetch(wanted: Iterable[Locked], cache: Path, faults: Faults, *, check_files: bool) -> None:
    """Bring every archive into ``cache``. ``check_files`` False: trust file:// URLs, as conda does.

    Raises NotFetched or WrongHash, for the first that failed; the others are brought all the same.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        work = [pool.submit(_one, locked, cache, faults, check_files) for locked in wanted]
    for done in work:
        done.result()


def _one(locked: Locked, cache: Path, faults: Faults, check_files: bool) -> None:
    target = cache / locked.file_name
    local = locked.url.startswith("file:")
    if not (target.is_file() and _wrong(target, locked) is None):
        faults.fetching()
        _download(locked.url, target)
    wrong = _wrong(target, locked)
    if faults.spoils(cache):
        wrong = WrongHash(target, locked.sha256, "of something else")
    if wrong and (check_files or not local):
        raise wrong


def _download(url: str, target: Path) -> None:
    part = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(_request(url), timeout=30) as answer, part.open("wb") as file:
            shutil.copyfileobj(answer, file)
            promised = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        raise NotFetched(url, error.code, str(error.reason)) from None
    except OSError as error:
        raise NotFetched(url, 0, str(error)) from None
    if promised and part.stat().st_size != int(promised):
        raise NotFetched(url, 0, "the transfer was closed with bytes remaining to read")
    part.replace(target)


def _request(url: str) -> urllib.request.Request:
    """A login in the address is told as curl does, which the real tools use."""
    parts = urllib.parse.urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(urllib.parse.urlunsplit(parts._replace(netloc=place)))
    if at:
        word = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
    return request


def _wrong(file: Path, locked: Locked) -> WrongHash | None:
    """sha256 where it is known, else md5, else anything is right."""
    name, expected = ("sha256", locked.sha256) if locked.sha256 else ("md5", locked.md5)
    if not expected:
        return None
    actual = _digest(file, name, "").hex()
    return None if actual == expected else WrongHash(file, expected, actual)


def locked_from(record: Record) -> Locked:
    md5, sha256 = record.md5, record.sha256
    return Locked(record.url, md5.hex() if md5 else "", sha256.hex() if sha256 else "")


def records_from(wanted: Iterable[Locked], cache: Path) -> list[Record]:
    """Of an explicit list; several at once, as the real tools look into archives while they extract
    them."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda locked: record_from(locked, cache), wanted))


def record_from(locked: Locked, cache: Path) -> Record:
    """The record of an archive of an explicit list, from the few bytes of it that say what it is; a
    hash that the list names was checked when it was fetched."""
    file = cache / locked.file_name
    try:
        about = rattler.IndexJson.from_str(_index(file).decode())
    except (OSError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise WrongHash(file, "a conda package", str(error)) from None
    package = rattler.PackageRecord(
        about.name,
        str(about.version),
        about.build,
        about.build_number,
        about.subdir or "noarch",
        noarch=about.noarch,
        depends=about.depends,
        constrains=about.constrains,
        size=file.stat().st_size,
    )
    channel = locked.url.rsplit("/", 2)[0]
    record = Record(package, locked.file_name, locked.url, channel)
    record.md5 = _digest(file, "md5", locked.md5)
    record.sha256 = _digest(file, "sha256", locked.sha256)
    return record


def _index(file: Path) -> bytes:
    """info/index.json: in front of a .tar.bz2, a small tar of its own in a .conda."""
    if file.suffix != ".conda":
        with tarfile.open(file, "r|bz2") as archive:
            return _member(archive)
    with zipfile.ZipFile(file) as outer:
        name = next(each for each in outer.namelist() if each.startswith("info-"))
        unpressed = zstandard.ZstdDecompressor().stream_reader(outer.open(name))
        with unpressed, tarfile.open(fileobj=unpressed, mode="r|") as archive:
            return _member(archive)


def _member(archive: tarfile.TarFile) -> bytes:
    for each in archive:
        if each.name == "info/index.json":
            found = archive.extractfile(each)
            return found.read() if found else b""
    raise KeyError("it has no info/index.json")


def _digest(file: Path, name: str, known: str) -> bytes:
    return bytes.fromhex(known) if known else hashlib.new(name, file.read_bytes()).digest()
