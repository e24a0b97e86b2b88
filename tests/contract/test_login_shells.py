"""Accounts whose login shell, start-up files or server run something else than what we ask for:
rows 28 and 30 to 34. None is ever taken for an empty success, and each is named within 3 s."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from gpuws.errors import GpuwsError
from gpuws.host.connect import connect
from gpuws.host.profile import resolve
from gpuws.plan.ports import Host, Script
from tests.support.connected import connected
from tests.support.fake_server import Logins, LoginServer, Rules, listening
from tests.support.people import Nobody
from tests.support.person import Ear
from tests.support.sshd import running_sshd

HELLO = Script("hello", 'main() {\n  echo "hello $1"\n  rm -f nothing\n}\nmain "$@" </dev/null\n')
SOON = 3.0  # seconds in which a host that runs something else is named


@contextlib.contextmanager
def host_with(folder: Path, *lines: str, shell: str = "", **files: str) -> Iterator[Host]:
    """``files``: of its HOME, by their names without the dot."""
    home = folder / "home"
    home.mkdir()
    for name, text in files.items():
        (home / f".{name}").write_text(text + "\n")
    found = shutil.which(shell) or shell if shell else None
    if shell and not Path(str(found)).is_absolute():
        pytest.skip(f"needs {shell}")
    with (
        running_sshd(folder / "s", lines, home=home, shell=found) as server,
        connected(server.config) as host,
    ):
        yield host


def refusal(host: Host, *, in_sight: bool) -> GpuwsError:
    begun = time.monotonic()
    with pytest.raises(GpuwsError) as refused:
        host.run(HELLO, timeout=SOON, in_sight=in_sight)
    assert time.monotonic() - begun < SOON + 1
    return refused.value


# --- what works all the same ---------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    shell: str
    file: str
    text: str


HARMLESS = {
    "csh that talks": Start("csh", "cshrc", "echo noise"),
    "a megabyte on both streams": Start(
        "bash", "bashrc", "head -c 1000000 /dev/zero | tr '\\0' x | tee /dev/stderr"
    ),
    "set -eu and noclobber": Start("bash", "bashrc", "set -eu -o noclobber"),
    "aliases and functions of our words": Start(
        "bash",
        "bashrc",
        "shopt -s expand_aliases; alias rm=false cd=false echo=false\n"
        "printf() { false; }; export -f printf",
    ),
    "an ANSI title": Start("bash", "bashrc", r"printf '\033]0;title\007\033[31m\377'"),
}


@pytest.mark.parametrize("start", HARMLESS.values(), ids=list(HARMLESS))
def test_what_start_up_files_say_or_set_changes_nothing(start: Start, tmp_path: Path) -> None:
    """Rows 30, 32 and 33."""
    with host_with(tmp_path, shell=start.shell, **{start.file: start.text}) as host:
        for in_sight in (True, False):
            assert host.run(HELLO, "you", in_sight=in_sight).out == "hello you\n"


def test_output_that_is_no_text_in_a_locale_that_is_none(tmp_path: Path) -> None:
    """Row 34."""
    with host_with(tmp_path, "SetEnv LANG=C LC_ALL=nowhere.1") as host:
        reply = host.run(Script("odd", "printf 'caf\\351 %s\\n' \"$1\"\n"), "ü")
        assert reply.out == "caf\ufffd ü\n"


# --- what is refused -----------------------------------------------------------------------------

OTHERS = {
    "ForceCommand": ("ForceCommand echo git only", "", "git only"),
    "sftp alone, inside sshd": ("ForceCommand internal-sftp", "", "sftp connections only"),
    "sftp alone, a program": ("ForceCommand /usr/lib/openssh/sftp-server", "", "status 11"),
    "nologin": ("", "/usr/sbin/nologin", "not available"),
    "/bin/false": ("", "/bin/false", "ended before our command ran (status 1)"),
    "/bin/true": ("", "/bin/true", "ended before our command ran (status 0)"),
    "no such shell": ("", "/no/such/shell", "No such file"),
    "rbash": ("", "rbash", "restricted"),
}


@pytest.mark.parametrize(("line", "shell", "said"), OTHERS.values(), ids=list(OTHERS))
def test_a_server_or_account_that_runs_something_else_is_named(
    line: str, shell: str, said: str, tmp_path: Path
) -> None:
    """Rows 28 and 31."""
    with host_with(tmp_path, *filter(None, [line]), shell=shell) as host:
        for in_sight in (True, False):
            error = refusal(host, in_sight=in_sight)
            assert (error.code, error.exit) == ("remote-shell", 7)
            assert said in error.message
            assert "ForceCommand" in error.hint or "no shell" in error.hint


ENDINGS = {
    "bash": Start("bash", "bashrc", "exit 0"),
    "zsh": Start("zsh", "zshenv", "exit 0"),
    "another shell": Start("bash", "bashrc", "exec fish"),
}


@pytest.mark.parametrize("start", ENDINGS.values(), ids=list(ENDINGS))
def test_a_start_up_file_that_leaves_is_never_an_empty_success(
    start: Start, tmp_path: Path
) -> None:
    """Row 33."""
    if "fish" in start.text and shutil.which("fish") is None:
        pytest.skip("needs fish")
    with host_with(tmp_path, shell=start.shell, **{start.file: start.text}) as host:
        for in_sight in (True, False):
            error = refusal(host, in_sight=in_sight)
            assert error.code == "remote-shell"
            assert "~/.bashrc" in error.hint


def test_a_start_up_file_that_reads_stdin_fails_or_works_and_never_lies(tmp_path: Path) -> None:
    """Row 33: what travels in the command line is out of its reach."""
    with host_with(tmp_path, shell="bash", bashrc="read -r line; read -r line") as host:
        assert host.run(HELLO, "you", in_sight=True).out == "hello you\n"
        assert refusal(host, in_sight=False).code == "remote-shell"


def test_a_start_up_file_that_waits_is_told_from_a_slow_host(tmp_path: Path) -> None:
    """Row 33."""
    with host_with(tmp_path, shell="bash", bashrc="sleep 60") as host:
        with pytest.raises(GpuwsError) as refused:
            host.run(HELLO, timeout=0.5)
        assert refused.value.code == "remote-timeout"
        assert "~/.bashrc" in refused.value.hint
        with pytest.raises(GpuwsError) as refused:
            host.run(Script("slow", "sleep 60\n"), timeout=0.5)


# --- gateways ------------------------------------------------------------------------------------


class _Gateway(Logins):
    """Opens sessions, or not, and runs nothing in them."""

    opens = True

    def check_channel_request(self, kind: str, chanid: int) -> int:
        ok = paramiko.common.OPEN_SUCCEEDED
        return ok if self.opens else paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Shut(_Gateway):
    opens = False


@pytest.mark.parametrize(
    ("kind", "said"), [(_Gateway, "refuses to run any"), (_Shut, "opens no session")]
)
def test_a_gateway_that_runs_no_commands_is_named_at_once(
    kind: type[Logins], said: str, tmp_path: Path
) -> None:
    """Within 3 s, with what to do instead; also for `shell` and `exec`."""
    servers: list[LoginServer] = []

    def serve(sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        transport.add_server_key(servers[0].key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=kind(servers[0].rules, servers[0].user))

    with listening(serve) as port:
        servers.append(LoginServer(tmp_path, Rules(needs=("publickey",)), port))
        servers[0].write_config()
        profile = resolve("asker", ssh_config=servers[0].config)
        with contextlib.closing(connect(profile, Nobody(), Ear())) as host:
            for in_sight in (True, False):
                error = refusal(host, in_sight=in_sight)
                assert (error.code, said in error.message) == ("remote-shell", True)
                assert "gateway" in error.hint
            with pytest.raises(GpuwsError) as refused:
                host.open_process(HELLO).pump(lambda _: None, lambda _: None)
            assert said in refused.value.message
