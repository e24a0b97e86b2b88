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
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.ending import end_with_helpers

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


@dataclass(frozen=True)
class Place:
    """Where a server listens; ``within``: the words before its command that lead there."""

    address: str = "127.0.0.1"
    within: tuple[str, ...] = ()


LOOPBACK = Place()


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
        place: Place = LOOPBACK,
    ) -> None:
        self.folder = folder
        self.place = place
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
        self._front = 0
        folder.mkdir(parents=True, exist_ok=True)
        make_key(self.host_key)
        make_key(self.user_key)
        shutil.copy(self.user_key.with_suffix(".pub"), self.authorized_keys)
        self._session_lines = _session(home, shell, env or {})
        self._server_lines = [*lines, *self._session_lines]
        self._client_lines = list(client_lines)

    def start(self) -> None:
        """Start, or start again on the same port."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation needs it
        for _ in range(5):
            self._write()
            begun = self._begun()
            self._process = subprocess.Popen(
                [
                    *self.place.within,
                    *(self._program, "-D", "-f", str(self._server_config), "-E", str(self._log)),
                ],
                stdin=subprocess.DEVNULL,
            )
            if self._answers(begun):
                return
            self.port = free_port()
        raise AssertionError(self.log())

    def change(self, lines: Sequence[str]) -> None:
        """Other lines of its configuration from the next start on, before those of ``home``."""
        self._server_lines = [*lines, *self._session_lines]

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
        return f"[{self.place.address}]:{self._front or self.port} {kind} {key}\n"

    def put_behind(self, port: int) -> None:
        """The client's files name this port of a proxy from now on."""
        self._front = port
        self._tell_client()

    def sessions(self) -> list[psutil.Process]:
        """One process a connection."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=False)
        return []

    def end_sessions(self) -> None:
        """End every connection at once; the server goes on listening."""
        if self._process is not None:
            end_with_helpers(self.sessions())

    def stop(self) -> None:
        """End the server and every connection to it. Programs that detached live on."""
        if self._process is None:
            return
        sessions = self.sessions()
        self._process.terminate()
        self._process.wait(10)
        end_with_helpers(sessions)
        self._process = None

    @property
    def _server_config(self) -> Path:
        return self.folder / "sshd_config"

    def _write(self) -> None:
        lines = [
            *self._server_lines,  # first value wins, so these override what follows
            f"Port {self.port}",
            f"ListenAddress {self.place.address}",
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
            "MaxSessions 100",
            "LogLevel VERBOSE",
        ]
        if not any(line.startswith("MaxStartups") for line in self._server_lines):
            lines.append("MaxStartups 100")  # the one word of which the last value wins
        self._server_config.write_text("\n".join(lines) + "\n")
        self._tell_client()

    def _tell_client(self) -> None:
        self.known_hosts.write_text(self.host_key_line())
        self.config.write_text(self.config_block())

    def config_block(self) -> str:
        """The Host block; write several servers' blocks into one file for a jump."""
        lines = [
            f"Host {self.alias}",
            *self._client_lines,
            f"HostName {self.place.address}",
            f"Port {self._front or self.port}",
            f"User {self.user}",
            f'IdentityFile "{self.user_key}"',
            "IdentitiesOnly yes",
            f'UserKnownHostsFile "{self.known_hosts}"',
            "GlobalKnownHostsFile none",
        ]
        return "\n    ".join(lines) + "\n"

    def _begun(self) -> int:
        """How often it began to listen, by its log: it may do so where we cannot connect."""
        return self.log().count(f"Server listening on {self.place.address} port")

    def _answers(self, before: int) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self._begun() > before:
                return True
            assert self._process is not None
            if self._process.poll() is not None:
                return False
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
    place: Place = LOOPBACK,
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
        place=place,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
