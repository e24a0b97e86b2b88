"""The Host port over a real sshd: scripts, files, streams and processes under any login shell."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host import session
from gpuws.host.connect import connect
from gpuws.host.paramiko_host import ParamikoHost
from gpuws.host.sanitise import one_line, sanitise
from gpuws.host.transport import Transport
from gpuws.plan.model import Target
from gpuws.plan.ports import Host, Script
from gpuws.plan.transport import TRANSPORTS
from tests.support.connected import connected
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.small_disk import small_disk
from tests.support.sshd import Sshd, gives_terminals, running_sshd
from tests.support.transports import THEIRS, profile_of

pytestmark = pytest.mark.usefixtures("transport")

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
BLOB = os.urandom(5 << 20)


def main(text: str) -> Script:
    return Script("test", "main() {\n" + text + '\n}\nmain "$@" </dev/null\n')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("ssh")
    (folder / "home").mkdir()
    with running_sshd(folder / "sshd", home=folder / "home") as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Sshd]:
    """For tests that end its connections."""
    with running_sshd(tmp_path / "sshd", home=tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def host(server: Sshd, transport: str) -> Iterator[Host]:
    with connected(server.config) as connection:
        yield connection


def test_arguments_arrive_as_they_are(host: Host) -> None:
    odd = ["a b", "'", '"$HOME"', "", "-n", "\n", "ü", "*", "\\n", "!!", "a\tb"]
    reply = host.run(main('for each; do printf "<%s>" "$each"; done'), *odd)
    assert reply.out == "".join(f"<{each}>" for each in odd)


def test_output_errors_and_status_come_back(host: Host) -> None:
    reply = host.run(main("echo out; echo err >&2; return 3"))
    assert (reply.out, reply.err, reply.status) == ("out\n", "err\n", 3)


def test_output_without_a_newline_and_bytes_that_are_no_text(host: Host) -> None:
    assert host.run(main(r"printf 'a\377b'")).out == "a\ufffdb"


def test_a_child_that_reads_stdin_does_not_eat_the_script(host: Host) -> None:
    assert host.run(main("cat; echo still here")).out == "still here\n"


def test_a_background_child_does_not_hold_the_reply(host: Host) -> None:
    begun = time.monotonic()
    assert host.run(main("sleep 3 & echo out")).out == "out\n"
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_gives_the_same(shell: str, tmp_path: Path) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    home = tmp_path / "home with spaces"
    home.mkdir()
    with (
        running_sshd(tmp_path / "s", home=home, shell=path) as server,
        connected(server.config) as host,
    ):
        reply = host.run(main('printf "%s|" "$HOME" "$SHELL" "$@"; return 4'), "it's", "a!b")
        assert reply.out == f"{home}|{path}|it's|a!b|"
        assert reply.status == 4
        host.upload(b"\x00\xff\n'binary", f"{home}/deep/er/file", mode=0o640)
        assert (home / "deep/er/file").read_bytes() == b"\x00\xff\n'binary"
        lines: list[bytes] = []
        process = host.open_process(Script("t", 'read -r a; echo "got $a $1"; exit 9\n'), "x'y")
        process.send(b"hello\n")
        assert process.pump(lines.append, lines.append) == 9
        assert b"".join(lines) == b"got hello x'y\n"
        if not gives_terminals():
            return  # an unprivileged sshd cannot here; the test of terminals says so
        lines.clear()
        process = host.open_process(Script("t", "stty size; read -r a; echo $a"), pty=(81, 17))
        process.send(b"typed\n")
        assert process.pump(lines.append, lines.append) == 0
        assert b"17 81\r\n" in b"".join(lines) and b"".join(lines).endswith(b"typed\r\n")


NOISE = {
    "bash": (".bashrc", "echo noise; echo more >&2; printf '\\033[31m'; alias rm=false cd=false"),
    "fish": (".config/fish/config.fish", "echo noise; echo more >&2"),
    "tcsh": (".tcshrc", 'echo noise; alias rm "false"'),
    "zsh": (".zshenv", "echo noise; setopt noclobber"),
}


@pytest.mark.parametrize("shell", NOISE)
def test_noisy_start_up_files_change_nothing(shell: str, tmp_path: Path) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    name, text = NOISE[shell]
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text + "\n")
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=path) as server,
        connected(server.config) as host,
    ):
        reply = host.run(main("echo out; rm -f nothing"))
        assert (reply.out, reply.status) == ("out\n", 0)
        host.upload(b"x", str(tmp_path / "file"))
        lines: list[bytes] = []
        process = host.open_process(Script("t", "echo clean"))
        assert process.pump(lines.append, lambda _: None) == 0
        assert b"".join(lines) == b"clean\n"
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("rc", "message"),
    [
        ("exit 0", "ended before our command ran (status 0)"),
        ("exec cat >/dev/null", "ended before our command ran"),
        ("echo 'Go \033[31maway'; exit 1", "Go \\x1b[31maway"),
    ],
)
def test_a_start_up_file_that_ends_the_shell_is_never_an_empty_success(
    rc: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / ".bashrc").write_text(rc + "\n")
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell="/bin/bash") as server,
        connected(server.config) as host,
    ):
        with pytest.raises(GpuwsError) as refused:
            host.run(main("echo out"))
        assert (refused.value.code, refused.value.exit) == ("remote-shell", 7)
        assert message in refused.value.message
        if rc.startswith("exec"):
            return  # reads stdin for ever, which only the deadline of a process ends
        with pytest.raises(GpuwsError) as refused:
            host.open_process(Script("t", "echo")).pump(lambda _: None, lambda _: None)
        assert refused.value.code == "remote-shell"


@pytest.mark.parametrize(
    "command", ["echo this is a git server", "/usr/sbin/nologin", "internal-sftp"]
)
def test_a_server_that_runs_its_own_command_is_recognised(command: str, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "s", [f"ForceCommand {command}"]) as server:
        with connected(server.config) as host, pytest.raises(GpuwsError) as refused:
            host.run(main("echo out"), timeout=5)
        assert refused.value.code == "remote-shell"
        if "git" in command:
            assert "this is a git server" in refused.value.message


def test_three_megabytes_on_both_streams_do_not_deadlock(host: Host) -> None:
    script = main("dd if=/dev/zero bs=65536 count=48 2>/dev/null | tr '\\0' e >&2\n"
                  "dd if=/dev/zero bs=65536 count=48 2>/dev/null | tr '\\0' o")  # fmt: skip
    reply = host.run(script)
    assert (len(reply.out), len(reply.err)) == (48 << 16, 48 << 16)


def test_more_output_than_the_cap_is_drained_and_both_ends_are_kept(host: Host) -> None:
    script = main(
        'echo begin; dd if=/dev/zero bs=65536 count=300 2>/dev/null | tr "\\0" x\necho end'
    )
    reply = host.run(script, cap=10_000)
    assert reply.status == 0
    assert reply.out.startswith("begin\nxxx") and reply.out.endswith("xxx" + "end\n")
    assert "bytes left out" in reply.out and len(reply.out) < 40_000


def test_a_script_longer_than_a_packet_runs(host: Host) -> None:
    padding = "\n".join(f": padding {i}" for i in range(20_000))
    assert host.run(Script("long", padding + "\necho end\n")).out == "end\n"


def test_a_hanging_script_ends_at_its_deadline(host: Host) -> None:
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        host.run(main("sleep 20"), timeout=0.5)
    assert (refused.value.code, refused.value.exit) == ("remote-timeout", 6)
    assert time.monotonic() - begun < 2
    assert host.run(main("echo on")).out == "on\n"


def test_an_endless_script_ends_at_its_deadline(host: Host) -> None:
    with pytest.raises(GpuwsError) as refused:
        host.run(main("while :; do echo more; done"), timeout=0.7, cap=1000)
    assert refused.value.code == "remote-timeout"


def test_scripts_run_side_by_side(host: Host) -> None:
    found: list[str] = []

    def one(number: int) -> None:
        found.append(host.run(main('sleep 0.2; echo "$1"'), str(number)).out.strip())

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [str(n) for n in range(8)]


def test_a_server_that_allows_one_session_is_enough(tmp_path: Path) -> None:
    with (
        running_sshd(tmp_path / "s", ["MaxSessions 1"], home=tmp_path) as server,
        connected(server.config) as host,
        listening() as port,
    ):
        for number in range(5):
            assert host.run(main(f"echo {number}")).out == f"{number}\n"
        host.upload(b"x", str(tmp_path / "file"))
        stream = host.open_stream(Target(port=port))
        assert host.run(main("echo beside")).out == "beside\n"
        stream.close()


def test_each_use_is_counted_as_a_call(server: Sshd) -> None:
    before = server.accepted()
    with connected(server.config) as host:
        assert host.calls == 0
        host.run(main("echo"))
        host.run(main("echo"))
        assert host.calls == 2
    assert server.accepted() == before + 1


# --- upload --------------------------------------------------------------------------------------


def test_five_megabytes_arrive_whole_with_their_mode(host: Host, tmp_path: Path) -> None:
    target = tmp_path / "it's a folder" / "blob"
    host.upload(BLOB, str(target), mode=0o700)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(BLOB).digest()
    assert target.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in target.parent.iterdir()] == ["blob"]


def test_an_empty_file_can_be_uploaded_over_an_old_one(host: Host, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    host.upload(b"", str(target))
    assert target.read_bytes() == b""
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_upload_that_cannot_be_written_leaves_the_old_file(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(GpuwsError) as refused:
        host.upload(b"new", str(tmp_path / "file" / "below"))
    assert refused.value.code == "read-only"
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("options", ["size=256k", "size=10m,nr_inodes=3"], ids=["space", "inodes"])
def test_an_upload_onto_a_full_disk_is_told_and_leaves_the_old_file(
    host: Host, tmp_path: Path, options: str
) -> None:
    place = tmp_path / "small"
    with small_disk(place, options):
        (place / "file").write_text("old")
        (place / "other").touch()
        with pytest.raises(GpuwsError) as refused:
            host.upload(os.urandom(1_000_000), str(place / "file"))
        left = {each.name: each.read_text() for each in place.iterdir()}
    assert (refused.value.code, refused.value.exit) == ("disk-full", 7)
    assert left == {"file": "old", "other": ""}


def test_an_upload_cut_short_leaves_no_part_behind(own_server: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    target = folder / "file"
    target.write_text("old")

    def cut_once_some_arrived() -> None:
        while not any(each.stat().st_size > 1 << 20 for each in folder.glob("*.part.*")):
            time.sleep(0.01)
        own_server.end_sessions()

    with connected(own_server.config) as host:
        cut = threading.Thread(target=cut_once_some_arrived, daemon=True)
        cut.start()
        with pytest.raises(GpuwsError) as refused:
            host.upload(BLOB * 30, str(target))
        assert refused.value.code == "connection-lost"
        assert not host.alive()
        cut.join(10)
    deadline = time.monotonic() + 5
    while len(list(folder.iterdir())) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [each.name for each in folder.iterdir()] == ["file"]
    assert target.read_text() == "old"


# --- streams -------------------------------------------------------------------------------------


def echo(sock: socket.socket) -> None:
    """Collects until the end of the client's half, then answers with all of it."""
    with sock:
        parts = []
        while block := sock.recv(65536):
            parts.append(block)
        sock.sendall(b"answer:" + b"".join(parts))


@contextlib.contextmanager
def listening(
    path: Path | None = None, serve: Callable[[socket.socket], None] = echo
) -> Iterator[int]:
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(str(path) if path else ("127.0.0.1", 0))
    server.listen()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield 0 if path else server.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def read_all(stream: object) -> bytes:
    parts = []
    while block := stream.recv(65536):  # type: ignore[attr-defined]
        parts.append(block)
    return b"".join(parts)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_stream_is_half_closed_and_the_answer_still_comes(
    kind: str, host: Host, short_tmp: Path
) -> None:
    path = short_tmp / "s" if kind == "unix" else None
    with listening(path) as port:
        target = Target(socket=str(path)) if path else Target(port=port)
        stream = host.open_stream(target)
        stream.settimeout(10)
        stream.sendall(BLOB)
        stream.shutdown_write()
        assert read_all(stream) == b"answer:" + BLOB
        stream.close()


def test_a_stream_where_nothing_listens_says_so(host: Host, short_tmp: Path) -> None:
    for target in (Target(socket=str(short_tmp / "none")), Target(port=1)):
        with pytest.raises(GpuwsError) as refused:
            host.open_stream(target)
        assert refused.value.code == "tunnel-failed"
        assert str(target) in refused.value.message


def test_a_server_that_forbids_forwarding_says_so(tmp_path: Path, transport: str) -> None:
    with (
        running_sshd(tmp_path / "s", ["DisableForwarding yes"]) as server,
        connected(server.config) as host,
        pytest.raises(GpuwsError) as refused,
    ):
        host.open_stream(Target(port=server.port))
    told = "tunnel-failed" if transport == THEIRS else "forwarding-refused"  # ssh keeps the reason
    assert (refused.value.code, refused.value.exit) == (told, 13)


def test_a_stream_that_is_closed_wakes_its_reader(host: Host) -> None:
    with listening(serve=lambda sock: time.sleep(3)) as port:
        stream = host.open_stream(Target(port=port))
        threading.Timer(0.2, stream.close).start()
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            assert stream.recv(10) == b""
        assert time.monotonic() - begun < 2


# --- processes -----------------------------------------------------------------------------------


def test_a_process_streams_both_ways_and_separates_errors(host: Host) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    process = host.open_process(Script("t", "cat; echo oops >&2; exit 5"))
    process.send(b"one ")
    process.send(b"two")
    process.send_eof()
    assert process.pump(out.append, err.append) == 5
    assert (b"".join(out), b"".join(err)) == (b"one two", b"oops\n")


def test_a_killed_process_ends_with_128_plus_the_signal(host: Host, transport: str) -> None:
    process = host.open_process(Script("t", "kill -TERM $$"))
    told = 255 if transport == THEIRS else 143  # ssh tells its clients of no signal
    assert process.pump(lambda _: None, lambda _: None) == told


@pytest.mark.skipif(not gives_terminals(), reason="needs root: sshd gives terminals to group tty")
def test_a_terminal_has_its_size_changes_it_and_echoes_only_what_is_typed(host: Host) -> None:
    seen: list[bytes] = []
    text = "stty size; echo $TERM; read -r x; stty size; secret=inside-the-script; exit 0\n"
    process = host.open_process(Script("t", text), pty=(80, 24), term="xterm-256color")

    def type_when_asked(block: bytes) -> None:
        seen.append(block)
        if b"xterm-256color\r\n" in b"".join(seen) and not b"".join(seen).count(b"typed"):
            process.resize(120, 40)
            process.send(b"typed\n")

    assert process.pump(type_when_asked, seen.append) == 0
    assert b"".join(seen) == b"24 80\r\nxterm-256color\r\ntyped\r\n40 120\r\n"


def test_a_process_of_a_lost_connection_says_so(own_server: Sshd) -> None:
    with connected(own_server.config) as host:
        process = host.open_process(Script("t", "echo ready; sleep 20"))
        threading.Timer(0.3, own_server.end_sessions).start()
        with pytest.raises(GpuwsError) as refused:
            process.pump(lambda _: None, lambda _: None)
        assert refused.value.code == "connection-lost"


# --- liveness ------------------------------------------------------------------------------------


def test_a_lost_connection_is_an_error_not_an_empty_answer(own_server: Sshd) -> None:
    with connected(own_server.config) as host:
        threading.Timer(0.3, own_server.end_sessions).start()
        with pytest.raises(GpuwsError) as refused:
            host.run(main("sleep 20"))
        assert refused.value.code == "connection-lost" and refused.value.retryable
        assert not host.alive()
        with pytest.raises(GpuwsError):
            host.open_stream(Target(port=own_server.port))


@pytest.mark.parametrize("transport", TRANSPORTS, indirect=True, scope="module")
@pytest.mark.parametrize("moment", ["before the channel", "before the command", "before the end"])
def test_a_connection_that_ends_in_any_moment_of_a_call_is_lost(
    own_server: Sshd, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """What paramiko raises there has no words: a fault of gpuws would be all that is told."""
    with connected(own_server.config) as host:
        assert isinstance(host, ParamikoHost)
        link = host._transport
        assert isinstance(link, Transport)

        def dying(_: object) -> None:
            link.packetizer.close()
            raise EOFError

        with pytest.raises(GpuwsError) as refused:
            if moment == "before the channel":
                monkeypatch.setattr(link.packetizer, "send_message", dying)
            with host._sessions.new("a script") as channel:
                if moment == "before the command":
                    monkeypatch.setattr(link.packetizer, "send_message", dying)
                session.run(channel, main("echo there"), (), timeout=5.0, cap=1000)
                monkeypatch.setattr(link.packetizer, "send_message", dying)
                raise session.lost("a script")
        assert refused.value.code == "connection-lost"


def test_a_host_that_stops_answering_is_found_dead(own_server: Sshd) -> None:
    import psutil

    before = {child.pid for child in psutil.Process(own_server.pid).children()}
    profile = profile_of(own_server.alias, own_server.config)
    host = connect(replace(profile, alive_interval=0.3, alive_count=2), Nobody(), Ear())
    try:
        heard = host.last_heard()
        time.sleep(1.2)
        assert host.alive() and host.last_heard() > heard  # pings are answered
        ours = [c for c in psutil.Process(own_server.pid).children() if c.pid not in before]
        for child in [*ours, *(deep for c in ours for deep in c.children(recursive=True))]:
            child.suspend()
        begun = time.monotonic()
        while host.alive() and time.monotonic() - begun < 5:
            time.sleep(0.02)
        assert not host.alive()
        assert time.monotonic() - begun < 3
        own_server.end_sessions()
    finally:
        host.close()


def test_closing_twice_is_harmless_and_leaves_no_thread(server: Sshd) -> None:
    before = threading.active_count()
    for _ in range(3):
        with connected(server.config) as host:
            host.run(main("echo"))
            host.close()
    deadline = time.monotonic() + 3
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before


# --- text from elsewhere -------------------------------------------------------------------------


def test_control_characters_become_visible() -> None:
    hostile = "a\x1b]52;c;x\x07\x9b31m\u202ebidi\u2066\u200b\rb\x00\x7f\U000e0041\ufeff"
    shown = sanitise(hostile)
    assert shown.isprintable()
    assert shown.startswith("a\\x1b]52;c;x\\x07\\x9b31m\\u202ebidi")
    assert sanitise(b"\xff\x1b[2J ok\n") == "\ufffd\\x1b[2J ok\n"
    assert sanitise("tab\tand\r\nline") == "tab\tand\nline"
    assert len(sanitise("x" * 10**6)) < 5000
    assert one_line("a\nb\n\n c") == "a b c"
