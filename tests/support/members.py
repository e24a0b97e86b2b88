"""Real users of this machine, for tests of what one of them may do to another. As root only."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from gpuws.plan.model import Tool
from tests.support import micromamba
from tests.support.build_bench import Bench
from tests.support.lab import short_folder
from tests.support.package_index import pip_settings


@dataclass(frozen=True)
class Member:
    """A login with a HOME of its own. ``bench`` is the host as this user has it."""

    name: str
    home: Path
    bench: Bench

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        words = ["runuser", "-u", self.name, "--", *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=30, cwd="/")


@dataclass(frozen=True)
class Group:
    """ann and bob are in the group, eve is not. ``shared``: what an administrator has made."""

    name: str
    folder: Path
    shared: Path
    ann: Member
    bob: Member
    eve: Member

    def processes(self) -> list[psutil.Process]:
        uids = {pwd.getpwnam(each.name).pw_uid for each in (self.ann, self.bob, self.eve)}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.uids().real in uids:
                    found.append(process)
        return found


def host_python() -> str:
    """One that every user may run; the tests' own often lies in a HOME."""
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    return found or pytest.skip("needs a python3 of the system")


@contextlib.contextmanager
def group_of_users(mode: int = 0o2770) -> Iterator[Group]:
    """The users, their tool, and the folder that they share; nothing is left of them."""
    if os.geteuid() != 0:
        pytest.skip("making users needs root")
    if not shutil.which("useradd") or not shutil.which("runuser"):
        pytest.skip("needs useradd and runuser")
    mark = f"gt{secrets.token_hex(3)}"
    with short_folder() as folder:
        folder.chmod(0o755)
        tool = micromamba.install(folder / "bin", python=host_python())
        _admin("groupadd", mark)
        users: list[str] = []
        try:
            for who in ("a", "b", "e"):
                _add(f"{mark}{who}", folder, mark if who in "ab" else "")
                users.append(f"{mark}{who}")
            members = [_member(name, folder, tool) for name in users]
            shared = folder / "shared"
            shared.mkdir()
            os.chown(shared, 0, grp.getgrnam(mark).gr_gid)
            shared.chmod(mode)
            group = Group(mark, folder, shared, *members)
            try:
                yield group
            finally:
                _end(group)
        finally:
            for name in users:
                _admin("userdel", name)
            _admin("groupdel", mark)


def _add(name: str, folder: Path, group: str) -> None:
    home = folder / name
    more = ("-G", group) if group else ()
    _admin("useradd", "-M", "-d", str(home), "-p", "*", "-s", "/bin/sh", *more, name)
    home.mkdir()
    found = pwd.getpwnam(name)
    os.chown(home, found.pw_uid, found.pw_gid)
    home.chmod(0o700)


def _member(name: str, folder: Path, tool: Path) -> Member:
    home = folder / name
    shell = ("runuser", "-u", name, "--", "/bin/sh")
    tools = (Tool("micromamba", str(tool)),)
    bench = Bench(home, f"{home}/r", tools, shell, pip_settings(), login=name)
    return Member(name, home, bench)


def _admin(*command: str) -> None:
    """Others may hold the lock of /etc/passwd for a moment."""
    for _ in range(50):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError((command, done.stderr))


def _end(group: Group) -> None:
    for _ in range(20):
        left = group.processes()
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
