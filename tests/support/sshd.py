"""A real OpenSSH server on loopback as the current user, with an ssh_config that reaches it.

What is true of sshd 9.2 and was tried: ``SetEnv HOME=…`` in the server's configuration replaces the
HOME of a session (one SetEnv line only: the first wins), but sshd has already changed to the home
of the password file, so the working folder stays there. With ``shell`` the session also starts in
``home``: a ForceCommand hands the client's command to that shell as sshd itself would, by ``-c``.
sshd re-executes itself, so it is started by its absolute path; sessions are its children.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

ALIAS = "gpubox"


def sshd_path() -> str:
    """The absolute path of sshd; skips the test where there is none."""
    found = shutil.which("sshd", path=os.pathsep.join(["/usr/sbin", "/sbin", os.environ["PATH"]]))
    if found is None:
        pytest.skip("needs OpenSSH's sshd")
    return str(Path(found).resolve())


def make_key(path: Path, kind: str = "ed25519", *more: str) -> Path:
    """A new key pair without passphrase (``more`` may set one: "-N", "word")."""
    extra = more if "-N" in more else ("-N", "", *more)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-f", str(path), "-C", "test", *extra],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def gives_terminals() -> bool:
    """Whether an sshd of this user can: without root it may not give a terminal to group tty."""
    if os.getuid() == 0:
        return True
    ours, theirs = os.openpty()
    try:
        return os.fstat(theirs).st_gid == grp.getgrnam("tty").gr_gid
    except KeyError:
        return False
    finally:
        os.close(ours)
        os.close(theirs)


class Sshd:
    """One server. ``config`` is the client's ssh_config; ``alias`` the host in it."""

    def __init__(
        self,
        folder: Path,
        *,
        lines: Sequence[str] = (),
        home: Path | None = None,
        shell: str | None = None,
        env: dict[str, str] | None = None,
        client_lines: Sequence[str] = (),
        alias: str = ALIAS,
    ) -> None:
        self.folder = folder
        self.alias = alias
        self.user = getpass.getuser()
        self.host_key = folder / "host_key"
        self.user_key = folder / "user_key"
        self.known_hosts = folder / "known_hosts"
        self.authorized_keys = folder / "authorized_keys"
        self.config = folder / "ssh_config"
        self._log = folder / "sshd.log"
        self._program = sshd_path()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        make_key(self.host_key)
        make_key(self.user_key)
        shutil.copy(self.user_key.with_suffix(".pub"), self.authorized_keys)
        self._server_lines = [*lines, *_session(home, shell, env or {})]
        self._client_lines = list(client_lines)

    def start(self) -> None:
        """Start, or start again on the same port."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation needs it
        for _ in range(5):
            self._write()
            self._process = subprocess.Popen(
                [self._program, "-D", "-f", str(self._server_config), "-E", str(self._log)],
                stdin=subprocess.DEVNULL,
            )
            if self._answers():
                return
            self.port = free_port()
        raise AssertionError(self.log())

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def accepted(self) -> int:
        """How many logins succeeded."""
        return len(re.findall(r"Accepted \S+ for ", self.log()))

    def host_key_line(self) -> str:
        """The known_hosts line of this server."""
        kind, key, *_ = self.host_key.with_suffix(".pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def end_sessions(self) -> None:
        """End every connection at once; the server goes on listening."""
        if self._process is not None:
            _end(psutil.Process(self._process.pid).children(recursive=False))

    def stop(self) -> None:
        """End the server and every connection to it. Programs that detached live on."""
        if self._process is None:
            return
        sessions: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            sessions = psutil.Process(self._process.pid).children(recursive=False)
        self._process.terminate()
        self._process.wait(10)
        _end(sessions)
        self._process = None

    @property
    def _server_config(self) -> Path:
        return self.folder / "sshd_config"

    def _write(self) -> None:
        lines = [
            *self._server_lines,  # first value wins, so these override what follows
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f'HostKey "{self.host_key}"',
            f'AuthorizedKeysFile "{self.authorized_keys}"',
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "PrintMotd no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "AllowStreamLocalForwarding yes",
            "MaxStartups 100",
            "MaxSessions 100",
            "LogLevel VERBOSE",
        ]
        self._server_config.write_text("\n".join(lines) + "\n")
        self.known_hosts.write_text(self.host_key_line())
        self.config.write_text(self.config_block())

    def config_block(self) -> str:
        """The Host block; write several servers' blocks into one file for a jump."""
        lines = [
            f"Host {self.alias}",
            *self._client_lines,
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {self.user}",
            f'IdentityFile "{self.user_key}"',
            "IdentitiesOnly yes",
            f'UserKnownHostsFile "{self.known_hosts}"',
            "GlobalKnownHostsFile none",
        ]
        return "\n    ".join(lines) + "\n"

    def _answers(self) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                return False
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            time.sleep(0.02)
        self.stop()
        return False


def _session(home: Path | None, shell: str | None, env: dict[str, str]) -> list[str]:
    """Server lines that give sessions another HOME and login shell."""
    env = {**({"HOME": str(home)} if home else {}), **({"SHELL": shell} if shell else {}), **env}
    lines = []
    if env:
        lines.append("SetEnv " + " ".join(f'{key}="{value}"' for key, value in env.items()))
    if shell:
        quoted = shlex.quote(shell)
        lines.append(
            'ForceCommand cd "$HOME"; if test -n "$SSH_ORIGINAL_COMMAND"; '
            f'then exec {quoted} -c "$SSH_ORIGINAL_COMMAND"; else exec {quoted} -l; fi'
        )
    return lines


def _end(processes: list[psutil.Process]) -> None:
    """SIGKILL, with the helpers that sshd starts for each session (they run as the user)."""
    everyone = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            everyone += [p for p in process.children(recursive=True) if p.name() == "sshd"]
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5
    while any(_runs(process) for process in everyone) and time.monotonic() < deadline:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """A zombie is gone already; where pid 1 is slow to reap, it stays a while."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running_sshd(
    folder: Path,
    lines: Sequence[str] = (),
    *,
    home: Path | None = None,
    shell: str | None = None,
    env: dict[str, str] | None = None,
    client_lines: Sequence[str] = (),
    alias: str = ALIAS,
) -> Iterator[Sshd]:
    """A server that ends with the block. ``folder``: where its files go, such as tmp_path."""
    server = Sshd(
        folder,
        lines=lines,
        home=home,
        shell=shell,
        env=env,
        client_lines=client_lines,
        alias=alias,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
