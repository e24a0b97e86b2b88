"""Row 17: known_hosts as OpenSSH reads it. Our own reader says what ``ssh-keygen -F`` finds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.host import hostkeys, known_hosts
from gpuws.host.known_hosts import Entry
from gpuws.plan.model import Profile
from tests.support.sshd import make_key

NAMES = ("box.example", "[box.example]:2222", "10.0.0.7", "[10.0.0.7]:22022", "[::1]:2222", "a")
PATTERNS = (
    *NAMES,
    *("*", "?", "*.example", "box.*", "b?x.example", "BOX.Example", "[box.*]:2222", "[*]:2222"),
    *("[box.example]:*", "10.0.0.?", "10.*", "!box.example", "!*", "![box.example]:2222"),
    *("!10.0.?.7", "", "other", "[", "]", "[a-z]*", "box.exampl", "box.example.", "!"),
    *("!!box.*", "**x*"),
)
FILES = 80
CODES = ("utf-8", "latin-1")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Fields of known_hosts lines: of every kind, and of none."""
    folder = tmp_path_factory.mktemp("keys")
    kinds = {"ed25519": (), "rsa": ("-b", "2048"), "ecdsa": ("-b", "384")}
    made = [make_key(folder / kind, kind, *more) for kind, more in kinds.items()]
    good = [" ".join(key.with_suffix(".pub").read_text().split()[:2]) for key in made]
    kind, blob = good[0].split()
    broken = [f"{kind} {blob[:-8]}", f"ssh-rsa {blob}", f"{kind} !!!", kind, f"{kind} AAAA", ""]
    return [*good, *good, f"{kind}  {blob}", f"{kind}\t{blob} a comment", *broken]


def hashed(name: str, choose: random.Random) -> str:
    salt = choose.randbytes(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def line(keys: list[str], choose: random.Random) -> str:
    hosts = ",".join(choose.choices(PATTERNS, k=choose.randint(1, 4)))
    if choose.random() < 0.25:
        hosts = hashed(choose.choice(NAMES), choose)
    marker = choose.choice(["", "", "", "@cert-authority ", "@revoked ", "@revoked\t", "@odd "])
    begin = choose.choice(["", "", "", "", " ", "\t", "#", " # "])
    space = choose.choice([" ", " ", "  ", "\t"])
    end = choose.choice(["\n", "\n", "\r\n", " c\xf6mment x\n", " \x0b\x0c\x1c\x85 y\n"])
    return f"{begin}{marker}{hosts}{space}{choose.choice(keys)}{end}"


JUNK = (
    *("\n", "   \n", "# c\n", "host\n", "@revoked\n", "@cert-authority *\n", "\x0b\x1c\n"),
    *("lat\xedn ssh-rsa AAAA\n", "|1|x|y ssh-rsa AAAA\n", "|1|\xe9=|\xff ssh-rsa AAAA\n"),
    *("|1| ssh-rsa AAAA\n", "|2|a|b ssh-rsa AAAA\n", "host 1024 35 123456 of old\n", "@\n", "|\n"),
)


def files(keys: list[str], folder: Path, choose: random.Random) -> Iterator[Path]:
    for number in range(FILES):
        lines = [line(keys, choose) for _ in range(choose.randint(0, 25))]
        lines += choose.choices(JUNK, k=choose.randint(0, 5))
        choose.shuffle(lines)
        text = "".join(lines)
        file = folder / str(number)
        file.write_bytes(text.rstrip("\n" if number % 3 else "").encode(choose.choice(CODES)))
        yield file


def asked(name: str, file: Path) -> list[Entry]:
    command = ["ssh-keygen", "-F", name, "-f", str(file)]
    out = subprocess.run(command, capture_output=True).stdout
    return known_hosts.parse_found(out, file)


def test_both_readers_say_the_same(keys: list[str], tmp_path: Path) -> None:
    choose = random.Random(5)
    found = 0
    for file in files(keys, tmp_path, choose):
        name = choose.choice(NAMES)
        theirs = asked(name, file)
        assert known_hosts.find(name, [file]) == theirs, (name, file.read_bytes())
        found += len(theirs)
    assert found > FILES / 2  # the files do speak of these names


# --- large files ---------------------------------------------------------------------------------


def large(keys: list[str], file: Path, lines: int) -> Path:
    """The last but 1,000th line is of ``box.example``; every other one is hashed."""
    choose = random.Random(lines)
    names = [f"host{number}.example" for number in range(lines)]
    written = [hashed(name, choose) if choose.random() < 0.5 else name for name in names]
    written[-1000] = "box.example"
    file.write_text("".join(f"{name} {keys[0]}\n" for name in written))
    return file


def test_both_readers_find_the_line_among_twenty_thousand(keys: list[str], tmp_path: Path) -> None:
    file = large(keys, tmp_path / "known", 20_000)
    profile = Profile("box", "box.example", 22, "ada", user_known_hosts=(str(file),))
    found = hostkeys.known_keys(profile).entries
    assert [each.line for each in found] == [19_001]
    assert tuple(known_hosts.find("box.example", [file])) == found


def test_twice_the_lines_are_twice_the_work(keys: list[str], tmp_path: Path) -> None:
    """paramiko's own reader takes four times as much. Calls are counted: no clock is asked."""
    once = calls(large(keys, tmp_path / "once", 1_000))
    assert calls(large(keys, tmp_path / "twice", 2_000)) < 2.2 * once


def calls(file: Path) -> int:
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        known_hosts.find("box.example", [file])
    finally:
        sys.setprofile(None)
    return count
