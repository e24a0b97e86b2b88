"""Archives pushed over a real sshd: only what is missing, whatever happens on the way."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from gpuws.environments import pushing
from gpuws.environments.archives import Archive
from gpuws.environments.pushing import push
from gpuws.errors import GpuwsError
from gpuws.host import sessions
from gpuws.plan.ports import Host, Script
from tests.support.connected import connected
from tests.support.fault_proxy import FaultProxy
from tests.support.local_host import LocalHost
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.pushed import Between, archive, archives, place_of, until, wrong_on
from tests.support.shells import shell as shell  # a fixture
from tests.support.sshd import Sshd, running_sshd

SIZE = 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    with running_sshd(folder / "sshd", home=folder) as running:
        yield running


@pytest.fixture
def host(server: Sshd) -> Iterator[Host]:
    with connected(server.config) as connection:
        yield connection


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "it's a root"


def test_what_is_missing_is_sent_and_what_is_there_is_not(
    host: Host, root: Path, tmp_path: Path
) -> None:
    sizes = (0, 1, 4096, 65535, 65536, 65537, 3_000_001)
    wanted = archives(tmp_path / "laptop", *sizes)
    first = push(host, str(root), wanted[:4], Nobody())
    assert (first.sent, first.skipped) == (sum(sizes[:4]), 0)
    second = push(host, str(root), wanted, Nobody())
    assert (second.sent, second.skipped) == (sum(sizes[4:]), 4)
    calls = host.calls
    third = push(host, str(root), wanted, Nobody())
    assert (third.sent, third.skipped, host.calls) == (0, len(sizes), calls + 1)
    assert wrong_on(root, wanted) == []
    assert place_of(root, wanted[0]).parent.stat().st_mode & 0o777 == 0o700


def test_nothing_to_push_is_no_failure(host: Host, root: Path) -> None:
    assert push(host, str(root), [], Nobody()).sent == 0


def test_two_names_for_the_same_bytes_are_two_archives(
    host: Host, root: Path, tmp_path: Path
) -> None:
    wanted = [
        archive(tmp_path / "laptop", name, b"same") for name in ("a-1!2.0-0.conda", "b+c.whl")
    ]
    push(host, str(root), wanted, Nobody())
    assert wrong_on(root, wanted) == []


def test_every_shell_takes_them(shell: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    host = LocalHost(tmp_path, shell=shell)
    wanted = archives(tmp_path / "laptop", 0, 1, 100_000, 70_000)
    cut_part(root, wanted[2], wanted[2].path.read_bytes()[:70_000])
    cut_part(root, wanted[3], b"other bytes")
    done = push(host, str(root), wanted, Nobody())
    assert wrong_on(root, wanted) == []
    assert done.sent == 1 + 30_000 + (70_000 - 11) + 70_000


def cut_part(root: Path, one: Archive, data: bytes, ending: str = "") -> None:
    """What an earlier push left."""
    place = place_of(root, one)
    place.parent.mkdir(parents=True, mode=0o700)
    place.with_name(f"{place.name}.part{ending}").write_bytes(data)


# --- cuts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrived", [0, 1, 65_536, SIZE - 1, SIZE])
def test_a_push_that_is_cut_goes_on_at_that_byte(
    server: Sshd, root: Path, tmp_path: Path, arrived: int
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE)
    with FaultProxy(("127.0.0.1", server.port)) as proxy:
        with through(server, proxy) as host, pytest.raises(GpuwsError) as lost:
            push(Between(host, until(arrived, proxy.reset)), str(root), wanted, Nobody())
        assert (lost.value.code, lost.value.retryable) == ("connection-lost", True)
    part = place_of(root, wanted[0])
    wait_for(part.with_name(part.name + ".part"))
    with connected(server.config) as host:
        assert push(host, str(root), wanted, Nobody()).sent == SIZE - arrived
    assert wrong_on(root, wanted) == []


def test_what_arrived_before_a_cut_is_kept_although_nobody_heard_of_it(
    server: Sshd, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE, 0)
    with (
        FaultProxy(("127.0.0.1", server.port)) as proxy,
        through(server, proxy) as host,
        pytest.raises(GpuwsError),
    ):
        push(Between(host, until(SIZE + 2, proxy.reset)), str(root), wanted, Nobody())
    wait_for(place_of(root, wanted[0]))
    with connected(server.config) as host:
        assert push(host, str(root), wanted, Nobody()).sent == 0
    assert wrong_on(root, wanted) == []


def test_a_receiver_that_hears_of_no_end_does_not_hold_its_part_back(
    server: Sshd, root: Path, tmp_path: Path
) -> None:
    """A laptop that is gone without a word: its sshd waits, perhaps for hours."""
    wanted = archives(tmp_path / "laptop", SIZE)
    went = threading.Event()
    with FaultProxy(("127.0.0.1", server.port)) as proxy, through(server, proxy) as gone:
        first = threading.Thread(
            target=lambda: quietly(
                Between(gone, until(131_072, lambda: went.wait(20))), str(root), wanted
            )
        )
        first.start()
        wait_for_size(root, 131_072)
        with connected(server.config) as host:
            assert push(host, str(root), wanted, Nobody()).sent == SIZE - 131_072
        assert wrong_on(root, wanted) == []
        proxy.reset()
        went.set()
        first.join(20)
    time.sleep(0.5)  # its receiver ends now
    assert wrong_on(root, wanted) == []


def quietly(host: Host, root: str, wanted: list[Archive]) -> None:
    with contextlib.suppress(GpuwsError):
        push(host, root, wanted, Nobody())


@contextlib.contextmanager
def through(server: Sshd, proxy: FaultProxy) -> Iterator[Host]:
    server.put_behind(proxy.port)
    try:
        with connected(server.config) as host:
            yield host
    finally:
        server.put_behind(0)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, sorted(path.parent.glob("*"))
        time.sleep(0.02)


def wait_for_size(root: Path, size: int) -> None:
    deadline = time.monotonic() + 10
    while not any(each.stat().st_size == size for each in root.rglob("*.part.*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- what is wrong on the host --------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, SIZE - 1, SIZE, SIZE + 1])
def test_a_part_with_other_bytes_is_thrown_away_and_all_is_sent(
    host: Host, root: Path, tmp_path: Path, length: int
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE, 10)
    cut_part(root, wanted[0], b"x" * length)
    done = push(host, str(root), wanted, Nobody())
    of_the_part = SIZE - length if length <= SIZE else 0
    assert done.sent == of_the_part + SIZE + 10
    assert wrong_on(root, wanted) == []


def test_what_arrives_wrong_twice_is_refused_and_not_kept(
    host: Host, root: Path, tmp_path: Path
) -> None:
    right, promised = archives(tmp_path / "laptop", SIZE, 100)
    wrong = Archive(promised.path, "0" * 64, promised.size)
    with pytest.raises(GpuwsError) as refused:
        push(host, str(root), [wrong, right], Nobody())
    assert (refused.value.code, refused.value.exit) == ("wrong-hash", 8)
    assert promised.path.name in refused.value.message
    assert wrong_on(root, [right]) == []


def test_an_archive_that_got_shorter_on_the_laptop_is_told(
    host: Host, root: Path, tmp_path: Path
) -> None:
    [one] = archives(tmp_path / "laptop", SIZE)
    one.path.write_bytes(b"short")
    with pytest.raises(GpuwsError) as refused:
        push(host, str(root), [one], Nobody())
    assert refused.value.code == "wrong-hash"
    assert str(one.path) in refused.value.message


def test_a_part_that_goes_away_meanwhile_is_sent_whole(
    host: Host, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE, 10)
    cut_part(root, wanted[0], wanted[0].path.read_bytes()[:1000])
    part = place_of(root, wanted[0])

    def after_it_is_gone(data: Iterable[bytes]) -> Iterator[bytes]:
        part.with_name(part.name + ".part").unlink(missing_ok=True)
        yield from data

    done = push(Between(host, after_it_is_gone), str(root), wanted, Nobody())
    assert done.sent == (SIZE - 1000) + 10 + SIZE
    assert wrong_on(root, wanted) == []


def test_a_part_that_grew_meanwhile_is_sent_whole_also_where_no_hash_would_tell(
    root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE)
    cut_part(root, wanted[0], wanted[0].path.read_bytes()[:1000])
    part = place_of(root, wanted[0])

    def after_it_grew(data: Iterable[bytes]) -> Iterator[bytes]:
        with contextlib.suppress(FileNotFoundError):
            grown = part.with_name(part.name + ".part")
            grown.write_bytes(grown.read_bytes() + b"xyz")
        yield from data

    host = LocalHost(tmp_path, env=tools(tmp_path / "bin", *FEW))
    push(Between(host, after_it_grew), str(root), wanted, Nobody())
    assert wrong_on(root, wanted) == []


def test_a_root_that_cannot_be_written_is_told(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(GpuwsError) as refused:
        push(host, str(tmp_path / "file" / "root"), archives(tmp_path / "l", 10), Nobody())
    assert refused.value.code == "no-root-folder"
    (tmp_path / "root" / "cache").mkdir(parents=True)
    (tmp_path / "root" / "cache" / "archives").write_text("in the way")
    with pytest.raises(GpuwsError) as refused:
        push(host, str(tmp_path / "root"), archives(tmp_path / "l", 10), Nobody())
    assert (refused.value.code, refused.value.exit) == ("read-only", 7)


@contextlib.contextmanager
def small_disk(place: Path, *options: str) -> Iterator[None]:
    """1 MiB, mounted there."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place.mkdir()
    given = ",".join(("size=1m", "mode=700", *options))
    mount = ["mount", "-t", "tmpfs", "-o", given, "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine may not mount a tmpfs")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_what_will_not_fit_is_refused_before_a_byte_is_sent(
    host: Host, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", 600_000, 600_000)
    with small_disk(root):
        calls = host.calls
        with pytest.raises(GpuwsError) as refused:
            push(host, str(root), wanted, Nobody())
        assert (refused.value.code, refused.value.exit) == ("disk-full", 7)
        assert "1 MB of packages" in refused.value.message
        assert host.calls == calls + 1
        assert list(root.iterdir()) == []
        assert push(host, str(root), wanted[:1], Nobody()).sent == 600_000


def test_a_disk_that_fills_up_meanwhile_is_told_and_the_next_push_goes_on(
    host: Host, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", 700_000)
    with small_disk(root):
        filler = root / "filler"

        def fill_up(data: Iterable[bytes]) -> Iterator[bytes]:
            filler.write_bytes(bytes(600_000))
            yield from data

        with pytest.raises(GpuwsError) as refused:
            push(Between(host, fill_up), str(root), wanted, Nobody())
        assert (refused.value.code, refused.value.exit) == ("disk-full", 7)
        filler.unlink()
        assert 0 < push(host, str(root), wanted, Nobody()).sent < 700_000
        assert wrong_on(root, wanted) == []


def test_a_disk_without_inodes_is_full(host: Host, root: Path, tmp_path: Path) -> None:
    with small_disk(root, "nr_inodes=4"), pytest.raises(GpuwsError) as refused:
        push(host, str(root), archives(tmp_path / "laptop", 1000), Nobody())
    assert (refused.value.code, refused.value.exit) == ("disk-full", 7)


def test_a_disk_that_became_read_only_is_not_called_full(
    host: Host, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", 1000)
    with small_disk(root):
        cut_part(root, wanted[0], b"")
        (root / ".gpuws-root").touch()
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        with pytest.raises(GpuwsError) as refused:
            push(host, str(root), wanted, Nobody())
    assert (refused.value.code, refused.value.exit) == ("read-only", 7)


# --- what a host may lack -------------------------------------------------------------------------


def tools(folder: Path, *names: str) -> dict[str, str]:
    """A PATH of these busybox tools alone."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(busybox)
    return {"PATH": str(folder)}


FEW = ("mkdir", "dd", "mv", "cp", "rm", "wc", "df", "tail")


@pytest.mark.parametrize("hashing", [(), ("sha256sum",)], ids=["none", "sha256sum"])
def test_a_host_with_few_tools_takes_them_and_says_what_it_cannot_check(
    root: Path, tmp_path: Path, hashing: tuple[str, ...]
) -> None:
    wanted = archives(tmp_path / "laptop", SIZE, 70_001, 1)
    cut_part(root, wanted[1], wanted[1].path.read_bytes()[:66_000], ".77")
    ear = Ear()
    path = tools(tmp_path / "bin", *FEW, *hashing)
    with (
        running_sshd(tmp_path / "s", home=tmp_path, env=path) as server,
        connected(server.config) as host,
    ):
        done = push(host, str(root), wanted, ear)
    assert done.sent == SIZE + 4001 + 1
    assert wrong_on(root, wanted) == []
    warned = [each for each in ear.said if "sha256sum, shasum" in each]
    assert warned == ([] if hashing else [warned[0]])
    assert hashing or "3 archives" in warned[0]


def test_a_dd_that_takes_what_there_is_gets_every_byte(root: Path, tmp_path: Path) -> None:
    """The dd of a Mac of some years ago, and of a small busybox."""
    real = shutil.which("dd")
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "dd"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *iflag*) exit 1 ;; esac\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    wanted = archives(tmp_path / "laptop", 0, 1, 4095, 4096, 4097, 1_000_003)

    def in_drops(data: Iterable[bytes]) -> Iterator[bytes]:
        for block in data:
            for at in range(0, len(block), 30_011):
                yield block[at : at + 30_011]
                time.sleep(0.001)

    with (
        running_sshd(tmp_path / "s", home=tmp_path, env=path) as server,
        connected(server.config) as host,
    ):
        push(Between(host, in_drops), str(root), wanted, Nobody())
    assert wrong_on(root, wanted) == []


def test_a_dd_that_takes_too_little_never_has_bytes_taken_for_a_name(
    root: Path, tmp_path: Path
) -> None:
    real = shutil.which("dd")
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "dd"
    short = 'bs=9000) shift; set -- bs=8990 "$@" ;;'
    stand_in.write_text(f'#!/bin/sh\ncase $1 in {short} esac\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    [right, wrong] = archives(tmp_path / "laptop", 70_000, 9000)
    lines = b"a 0 1 b\n" * (wrong.size // 8)  # each would make a folder
    wrong = archive(tmp_path / "laptop", "lines.conda", lines)
    with pytest.raises(GpuwsError) as refused:
        push(LocalHost(tmp_path, env=path), str(root), [right, wrong], Nobody())
    assert refused.value.code == "wrong-hash"
    assert not (root / "cache/archives/a").exists()


@pytest.mark.parametrize("tool", ["openssl", "sha256sum", "shasum", "python3"])
def test_each_tool_that_computes_sha256_will_do(tool: str, root: Path, tmp_path: Path) -> None:
    found = sys.executable if tool == "python3" else shutil.which(tool)
    if found is None:
        pytest.skip(f"needs {tool}")
    path = tools(tmp_path / "bin", *FEW)["PATH"]
    (tmp_path / "bin" / tool).write_text(f'#!/bin/sh\nexec {found} "$@"\n')
    (tmp_path / "bin" / tool).chmod(0o755)
    right, other = archives(tmp_path / "laptop", SIZE, 100)
    ear = Ear()
    with pytest.raises(GpuwsError) as refused:
        wrong = Archive(other.path, "0" * 64, other.size)
        push(LocalHost(tmp_path, env={"PATH": path}), str(root), [right, wrong], ear)
    assert refused.value.code == "wrong-hash"
    assert wrong_on(root, [right]) == []
    assert not any("sha256sum, shasum" in each for each in ear.said)


# --- side by side ---------------------------------------------------------------------------------


def test_two_pushes_at_once_do_each_other_no_harm(server: Sshd, root: Path, tmp_path: Path) -> None:
    wanted = archives(tmp_path / "laptop", 3_000_000, *[20_000] * 20)
    cut_part(root, wanted[0], wanted[0].path.read_bytes()[:1_000_000])
    failures: list[BaseException] = []

    def one() -> None:
        try:
            with connected(server.config) as host:
                push(host, str(root), wanted, Nobody())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert failures == []
    assert wrong_on(root, wanted) == []


def test_far_away_several_sessions_send_side_by_side(
    server: Sshd, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", *[30_000] * 12)
    far = FaultProxy(("127.0.0.1", server.port), delay=0.02)
    with far as proxy, through(server, proxy) as host:
        calls = host.calls
        assert push(host, str(root), wanted, Nobody()).sent == 12 * 30_000
        assert host.calls - calls == 5
    assert wrong_on(root, wanted) == []


def test_a_server_that_allows_one_session_gets_all_through_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_BUSY", 0.2)  # seconds that the other lanes wait for a session
    wanted = archives(tmp_path / "laptop", *[30_000] * 3)

    def slowly(data: Iterable[bytes]) -> Iterator[bytes]:
        for block in data:
            time.sleep(0.1)
            yield block

    with (
        running_sshd(tmp_path / "s", ["MaxSessions 1"], home=tmp_path) as server,
        FaultProxy(("127.0.0.1", server.port), delay=0.02) as proxy,
        through(server, proxy) as host,
    ):
        assert push(Between(host, slowly), str(root), wanted, Nobody()).sent == 3 * 30_000
    assert wrong_on(root, wanted) == []


def test_the_first_failure_ends_the_other_lanes(
    host: Host, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "lanes", lambda distance, count: 2)
    wanted = archives(tmp_path / "laptop", 12 << 20, 11 << 20, *[1000] * 50)
    wanted[1].path.write_bytes(b"short")

    def slowly(data: Iterable[bytes]) -> Iterator[bytes]:
        for block in data:
            time.sleep(0.4)
            yield block

    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        push(Between(host, slowly), str(root), wanted, Nobody())
    assert refused.value.code == "wrong-hash"
    assert time.monotonic() - begun < 3.5  # the first archive alone would take 5 s


def test_a_server_that_allows_no_session_at_all_any_more_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_BUSY", 0.2)
    monkeypatch.setattr(pushing, "lanes", lambda distance, count: 2)
    wanted = archives(tmp_path / "laptop", 10, 10)
    with (
        running_sshd(tmp_path / "s", ["MaxSessions 1"], home=tmp_path) as server,
        connected(server.config) as host,
    ):
        parcels, _ = pushing.missing(host, str(root), wanted)
        assert [each.left for each in parcels] == [10, 10]
        held = host.open_process(Script("held", "sleep 20"))
        monkeypatch.setattr(pushing, "missing", lambda *_: (parcels, None))
        with pytest.raises(GpuwsError) as refused:
            push(host, str(root), wanted, Nobody())
        held.close()
    assert (refused.value.code, refused.value.retryable) == ("remote-shell", True)


# --- how it goes ----------------------------------------------------------------------------------


def test_the_line_is_said_at_most_five_times_a_second(
    server: Sshd, root: Path, tmp_path: Path
) -> None:
    wanted = archives(tmp_path / "laptop", *[100_000] * 100)
    ear = Ear()
    with FaultProxy(("127.0.0.1", server.port)) as proxy, through(server, proxy) as host:
        proxy.rate = 4e6
        done = push(host, str(root), wanted, ear)
    assert 3 <= len(ear.said) <= 5 * done.seconds + 1
    form = r"packages \d+ of 100, (\d+ MB|\d+ kB) of 10 MB, \d+ MB/s, \d+ s left"
    assert [each for each in ear.said if not re.fullmatch(form, each)] == []


def test_a_large_archive_is_never_whole_in_memory(host: Host, root: Path, tmp_path: Path) -> None:
    size = 64 << 20
    with (tmp_path / "big.conda").open("wb") as file:
        file.truncate(size)
    zeros = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"  # sha256 of 64 MiB
    big = Archive(tmp_path / "big.conda", zeros, size)
    tracemalloc.start()
    try:
        assert push(host, str(root), [big], Nobody()).sent == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20
    assert place_of(root, big).stat().st_size == size
