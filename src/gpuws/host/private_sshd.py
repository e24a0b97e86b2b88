"""OpenSSH's sshd, unprivileged, on a loopback port of its own with one key and one HOME."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpuws.host.demo_login import end_processes, user_name

_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin", "/usr/local/bin")
_ROOT_NEEDS = Path("/run/sshd")  # sshd started by root refuses to run without it
_TIED = '"$@" & child=$!; cat >/dev/null; kill "$child" 2>/dev/null; wait "$child"'
"""sshd lives as long as the pipe on stdin: when we are killed, it goes too."""


class NotUsable(Exception):
    """No sshd here, or one that does not let this user in; says why."""


@contextmanager
def private_sshd(
    folder: Path, host_key: Path, authorized: str, env: dict[str, str]
) -> Iterator[int]:
    """Its port, once it let us in. Raises NotUsable before the block, never inside."""
    program = _find()
    with _root_folder():
        for attempt in (1, 2, 3):  # between choosing a port and sshd's bind, another may take it
            port = _free_port()
            config = _configure(folder, host_key, authorized, env, port)
            _check(program, config)
            with _running(program, config, folder) as alive:
                if _greets(port, alive):
                    _log_in(folder, port)
                    yield port
                    return
            if attempt == 3:
                raise NotUsable(f"sshd did not start: {_reason(folder / 'sshd.log')}")


def _find() -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_FOLDERS])
    found = shutil.which("sshd", path=path)
    if not found:
        raise NotUsable("there is no sshd on this machine")
    return str(Path(found).absolute())  # sshd starts itself again and insists on a full path


def _configure(
    folder: Path, host_key: Path, authorized: str, env: dict[str, str], port: int
) -> Path:
    keys = folder / "authorized_keys"
    keys.write_text(authorized + "\n", encoding="utf-8")
    lines = [
        "ListenAddress 127.0.0.1",
        f"Port {port}",
        f"HostKey {_quoted(str(host_key))}",
        f"AuthorizedKeysFile {_quoted(str(keys).replace('%', '%%'))}",
        f"PidFile {_quoted(str(folder / 'sshd.pid'))}",
        "AuthenticationMethods publickey",
        "PermitRootLogin prohibit-password",
        "StrictModes no",  # the folder is 0700, but /tmp above it is not
        "UsePAM no",
        "PermitUserRC no",
        "PrintMotd no",
        "PrintLastLog no",
        "GatewayPorts no",
        "X11Forwarding no",
        "UseDNS no",
        "MaxStartups 100",
        "MaxSessions 100",
        "AcceptEnv LANG LC_*",
        "Subsystem sftp internal-sftp",
        # one line: of several SetEnv lines only the first counts
        "SetEnv " + " ".join(_quoted(f"{name}={value}") for name, value in env.items()),
    ]
    config = folder / "sshd_config"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config.chmod(0o600)  # a proxy's password may be among the settings
    return config


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def _check(program: str, config: Path) -> None:
    """An old sshd may not know one of the words above."""
    tried = subprocess.run([program, "-t", "-f", config], capture_output=True, timeout=10)
    if tried.returncode != 0:
        raise NotUsable(f"sshd refuses: {tried.stderr.decode(errors='replace').strip()[-300:]}")


@contextmanager
def _running(program: str, config: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [program, "-D", "-E", str(folder / "sshd.log"), "-f", str(config)]
    tied = subprocess.Popen(
        ["/bin/sh", "-c", _TIED, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the demo's terminal is not for sshd
    )
    try:
        yield tied
    finally:
        sessions = _children(_pid(folder / "sshd.pid"))
        if tied.stdin:
            tied.stdin.close()
        try:
            tied.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(tied.pid, signal.SIGKILL)
            tied.wait(5)
        end_processes(sessions, signal.SIGTERM)


def _pid(file: Path) -> int:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return 0


def _children(parent: int) -> list[int]:
    """sshd gives each connection a session of its own: a process group would not reach them."""
    found = []
    for folder in Path("/proc").glob("[1-9]*"):
        with suppress(OSError, ValueError, IndexError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if parent and int(after_name[1]) == parent:
                found.append(int(folder.name))
    return found


def _greets(port: int, tied: subprocess.Popen[bytes], patience: float = 5.0) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and tied.poll() is None:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 1) as sock,
        ):
            return sock.recv(4) == b"SSH-"
        time.sleep(0.02)
    return False


def _log_in(folder: Path, port: int) -> None:
    """Ask once: a locked account, an odd login shell or a policy would only show later.

    With a terminal: where /dev/pts is not mounted for the group tty (some containers), an
    unprivileged sshd ends the connection when it cannot change the terminal's owner.
    """
    ssh = shutil.which("ssh")
    if not ssh:
        return
    options = (
        "BatchMode=yes",
        "ConnectTimeout=5",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
    )
    words = [word for option in options for word in ("-o", option)]
    where = ["-i", str(folder / "user_key"), "-p", str(port), "-l", user_name(), "127.0.0.1"]
    command = [ssh, "-F", "/dev/null", "-tt", *words, *where, "exec /bin/sh -c true"]
    try:
        tried = subprocess.run(command, capture_output=True, timeout=15, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as slow:
        raise NotUsable("sshd did not let us in within 15 s") from slow
    if tried.returncode != 0:
        raise NotUsable(f"sshd did not let us in: {_reason(folder / 'sshd.log')}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _reason(log: Path) -> str:
    """The last line that names a failure; sshd goes on talking after it."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    words = ("failed", "fatal", "error", "not allowed", "locked", "denied", "cannot", "bind")
    telling = [line for line in lines if any(word in line.lower() for word in words)]
    return (telling or lines or ["it wrote no log"])[-1][-300:]


@contextmanager
def _root_folder() -> Iterator[None]:
    """What Debian makes at boot; where nobody did, it is ours and goes again."""
    missing = os.getuid() == 0 and not _ROOT_NEEDS.exists() and _ROOT_NEEDS.parent.is_dir()
    if missing:
        _ROOT_NEEDS.mkdir(mode=0o755, exist_ok=True)
    try:
        yield
    finally:
        if missing and not _another_sshd():
            with suppress(OSError):
                _ROOT_NEEDS.rmdir()


def _another_sshd() -> bool:
    for name in Path("/proc").glob("[1-9]*/comm"):
        with suppress(OSError):
            if name.read_text().strip() == "sshd":
                return True
    return False
