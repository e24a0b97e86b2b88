"""Host.feed over a real sshd: any amount on a script's stdin, no faster than it is taken."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.connect import connect
from gpuws.plan.ports import Host, Script
from tests.support.people import Nobody
from tests.support.sshd import running_sshd
from tests.support.transports import profile_of

pytestmark = pytest.mark.usefixtures("transport")

BLOCK = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("ssh")
    with running_sshd(folder / "sshd", home=folder) as server:
        connection = connect(profile_of(server.alias, server.config), Nobody(), Nobody())
        yield connection
        connection.close()


def main(text: str) -> Script:
    return Script("test", "main() {\n" + text + '\n}\nmain "$@" 3<&0 </dev/null\n')


class Given:
    """An endless supply that counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += len(BLOCK)
            yield BLOCK


def test_parts_of_any_size_arrive_as_one_stream(host: Host, tmp_path: Path) -> None:
    parts = [b"", b"x", BLOCK, b"", BLOCK * 20 + b"'\n\0", b"end"]
    before = host.calls
    reply = host.feed(main('cat <&3 >"$1"; echo there'), str(tmp_path / "it's"), data=iter(parts))
    assert (reply.out, reply.status, host.calls) == ("there\n", 0, before + 1)
    found = (tmp_path / "it's").read_bytes()
    assert hashlib.sha256(found).digest() == hashlib.sha256(b"".join(parts)).digest()


def test_no_more_is_taken_than_the_host_takes(host: Host) -> None:
    given = Given()
    reply = host.feed(main("sleep 1; echo enough"), data=given)
    assert reply.out == "enough\n"
    assert len(BLOCK) < given.taken <= 8 * len(BLOCK)  # the window, and what the kernels hold


def test_a_script_that_ends_early_says_why_and_ends_the_sending(host: Host) -> None:
    begun = time.monotonic()
    reply = host.feed(main("dd bs=65536 count=100 <&3 >/dev/null 2>&1; return 9"), data=Given())
    assert reply.status == 9
    assert time.monotonic() - begun < 5


def test_a_host_that_takes_nothing_is_given_up(host: Host) -> None:
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        host.feed(main("sleep 20"), data=Given(), timeout=0.5)
    assert refused.value.code == "remote-timeout"
    assert time.monotonic() - begun < 3


def test_what_goes_on_for_longer_than_the_timeout_is_not_given_up(host: Host) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(8):
            yield b"x"
            time.sleep(0.2)

    reply = host.feed(main("cat <&3; echo at last >&2"), data=slowly(), timeout=0.6)
    assert (reply.out, reply.err) == ("x" * 8, "at last\n")


def test_what_the_supply_raises_goes_on_and_the_script_sees_an_end(
    host: Host, tmp_path: Path
) -> None:
    part, ended = tmp_path / "part", tmp_path / "ended"

    def broken() -> Iterator[bytes]:
        yield b"some"
        wait_for(part)
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError):
        host.feed(main('cat <&3 >"$1"; : >"$2"'), str(part), str(ended), data=broken())
    wait_for(ended)
    assert part.read_bytes() == b"some"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)
