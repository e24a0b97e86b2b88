"""A master connection of our own: `ssh -M`, which logs in and then serves us alone.

It goes to the background once it has logged in, and ends by itself some seconds after the last of
its clients, so that nothing stays of a keeper that was killed.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from gpuws.errors import GpuwsError
from gpuws.host.address import parse
from gpuws.host.openssh import way, words
from gpuws.host.openssh.desk import Desk
from gpuws.host.sanitise import sanitise
from gpuws.plan.model import Profile
from gpuws.plan.ports import Progress

_ALONE = 5  # seconds until a master without clients ends
_SILENCE = 60.0  # seconds in which ssh neither tells anything nor asks: an agent may hang for ever
_LOOK = 0.02  # seconds between two looks at ssh
_OURS = (
    "ControlMaster=yes",
    f"ControlPersist={_ALONE}",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "PermitLocalCommand=no",
    "UpdateHostKeys=no",
    "VisualHostKey=no",
)
"""What the user's configuration says of an interactive ssh is not wanted of a master."""


@dataclass(frozen=True)
class Met:
    """What the login told of the server."""

    version: str = ""  # such as OpenSSH_9.2p1
    round_trip: float = 0.0  # seconds; 0: not known


def log_in(profile: Profile, desk: Desk, progress: Progress) -> Met:
    """Returns once a master listens at ``desk.master``.

    Raises what a login of ours raises, ssh's own words in it.
    """
    ssh = program()
    process = subprocess.Popen(
        [ssh, *_arguments(profile, desk, ssh)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # without a terminal it asks through SSH_ASKPASS, even an old one
        env=_environment(desk),
    )
    said = Said(process)
    desk.before_asking = lambda: said.tell(progress)
    try:
        _await(process, said, desk, profile)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and with it what leads to the host
        process.wait()
        raise
    if process.returncode != 0:
        raise words.explain(profile, said.text(), answers=desk.answers)
    said.tell(progress)
    return Met(words.version(said.text()), said.round_trip)


def program() -> str:
    """Raises profile-unsupported where there is no ssh, or one that cannot share a connection."""
    found = shutil.which("ssh")
    if found is None or os.name == "nt":
        why = "Windows's ssh cannot share a connection" if found else "there is no ssh program"
        raise GpuwsError(
            "profile-unsupported",
            f"--transport openssh does not work here: {why}",
            hint="leave it out: gpuws then connects by itself"
            if found
            else "install OpenSSH's client, or leave the option out",
            stage="connect",
        )
    return found


def _arguments(profile: Profile, desk: Desk, ssh: str) -> list[str]:
    address = parse(profile.alias)
    options = [
        *_OURS,
        f"StrictHostKeyChecking={profile.strict_host_key_checking}",
        f"ConnectTimeout={math.ceil(profile.connect_timeout)}",
        f"ServerAliveInterval={math.ceil(profile.alive_interval)}",
        f"ServerAliveCountMax={profile.alive_count}",
    ]
    options += [
        f"UserKnownHostsFile={_files(profile.user_known_hosts)}",
        f"GlobalKnownHostsFile={_files(profile.global_known_hosts)}",
    ]
    if profile.host_key_alias:
        options.append(f"HostKeyAlias={profile.host_key_alias}")
    if profile.identities_only:  # hosts.yaml may name a key that the configuration does not
        keys = (f"IdentityFile={_files((key,))}" for key in profile.identity_files)
        options += ["IdentitiesOnly=yes", *keys]
    options += way.options(profile, ssh, desk.proxy)
    return [
        # -v: for what is read from its words, and else it would hide those of a proxy command
        *("-v", "-f", "-N", "-M", "-T", "-S", desk.master),
        *(word for option in options for word in ("-o", option)),
        *(("-F", profile.ssh_config) if profile.ssh_config else ()),
        *("-p", str(profile.port)),
        *(("-l", address.user) if address.user else ()),
        *("--", address.host),
    ]


def _files(paths: tuple[str, ...]) -> str:
    return " ".join(f'"{path}"' for path in paths) or "none"


def _environment(desk: Desk) -> dict[str, str]:
    """DISPLAY: before OpenSSH 8.4 a program is asked only where there is one."""
    display = os.environ.get("DISPLAY") or ":0"
    ours = {"SSH_ASKPASS": desk.askpass, "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": display}
    return {**os.environ, **ours}


def _await(process: subprocess.Popen[bytes], said: Said, desk: Desk, profile: Profile) -> None:
    """Until ssh is in the background, or has ended. A person may take their time."""
    stations = 1 + len(profile.proxy_jump)
    deadline = _Deadline(profile.connect_timeout * stations, profile.login_timeout)
    while process.poll() is None:
        if desk.trouble is not None:
            raise desk.trouble
        if desk.unanswered:
            raise words.unanswered(profile, desk.unanswered, said.text())
        if deadline.passed(said, waiting=desk.busy):
            raise words.silent(profile, said.text())
        time.sleep(_LOOK)


class _Deadline:
    """Seconds of ssh's own time: for the keys' exchange, for a step of the login, for all of it."""

    def __init__(self, handshake: float, login: float | None) -> None:
        self._handshake = handshake
        self._login = login or math.inf
        self._begun = self._looked = time.monotonic()
        self._waited = 0.0  # for a person

    def passed(self, said: Said, *, waiting: bool) -> bool:
        now = time.monotonic()
        self._waited += now - self._looked if waiting else 0.0
        self._looked = now
        own = now - self._begun - self._waited
        if not said.has(words.VERIFIED):
            return own > min(self._handshake, self._login)
        return own > self._login or (not waiting and now - said.last > _SILENCE)


class Said:
    """What ssh and its proxy commands say on stderr, read as long as anybody may write there: one
    that writes to a closed pipe would be killed. The first part is kept."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        self._told = 0  # lines
        self._seen: dict[bytes, float] = {}  # a line of words.TURNS, and when it came
        self.last = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="gpuws-ssh-words", daemon=True)
        self._reader.start()

    def text(self) -> str:
        """Once it has ended there is a moment for its last words."""
        self._reader.join(0.2)
        return sanitise(self._kept, words.MOST)

    def tell(self, progress: Progress) -> None:
        """What is new of it that a person would have seen: a banner, why a code is asked for."""
        lines = words.news(self.text())
        for line in lines[self._told :]:
            progress.note(line)
        self._told = max(self._told, len(lines))

    def has(self, line: bytes) -> bool:
        return line in self._kept

    def _read(self) -> None:
        stream = self._process.stderr
        assert stream is not None  # noqa: S101 (stderr=PIPE above)
        with stream:
            while block := os.read(stream.fileno(), 4096):
                self.last = time.monotonic()
                self._kept = (self._kept + block)[: words.MOST]
                self._measure()

    @property
    def round_trip(self) -> float:
        """Seconds, the shortest seen; 0: none was."""
        seen = self._seen
        turns = (each for each in words.TURNS if seen.keys() >= set(each))
        return min((seen[answer] - seen[question] for question, answer in turns), default=0.0)

    def _measure(self) -> None:
        for line in (line for turn in words.TURNS for line in turn):
            if line not in self._seen and line in self._kept:
                self._seen[line] = self.last
