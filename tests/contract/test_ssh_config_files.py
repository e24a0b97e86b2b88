"""Which files of ssh_config count, and in which order. Row 2 of the fault catalogue."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from gpuws.errors import GpuwsError
from gpuws.host import profile as profiles
from gpuws.host.here import Here, here
from gpuws.host.ssh_config.keywords import DIRECTIVES
from gpuws.host.ssh_config.names import alias_places, known_aliases
from tests.support.ssh_configs import VALUES, case

SSH = shutil.which("ssh") or ""
KNOWN = tuple(each.name for each in DIRECTIVES if each.name in VALUES and not each.since[0])
READERS = [pytest.param(True, id="ssh"), pytest.param(False, id="own")]


def resolve(config: Path, *, by_ssh: bool, host: str = "box") -> profiles.Resolved:
    if by_ssh and not SSH:
        pytest.skip("needs ssh")
    which = profiles.asked_for(host, config, None)
    return profiles.by_ssh(which, SSH) if by_ssh else profiles.by_itself(which)


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return folder / "config"


def refusal(config: Path, *, by_ssh: bool) -> GpuwsError:
    with pytest.raises(GpuwsError) as refused:
        resolve(config, by_ssh=by_ssh)
    return refused.value


# --- Include -------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_ssh", READERS)
def test_include_may_be_nested_have_a_pattern_be_missing_and_stand_in_a_block(
    by_ssh: bool, tmp_path: Path
) -> None:
    config = write(
        tmp_path,
        config=f"Host other\n  Include {tmp_path}/no\nHost box\n  Include {tmp_path}/[ab] /none\n"
        "  Port 7\n",
        a=f"Host *\n  Port 5\n  Include {tmp_path}/c\n",
        b="Port 6\nUser of-b\n",
        c="User of-c\n",
        no="Port 1\nHost *\n  Port 2\n",
    )
    found = resolve(config, by_ssh=by_ssh).profile
    assert (found.port, found.user) == (5, "of-c")


@pytest.mark.parametrize("by_ssh", READERS)
def test_what_includes_itself_is_refused_within_a_second(by_ssh: bool, tmp_path: Path) -> None:
    config = write(
        tmp_path, config=f"Include {tmp_path}/a\n", a=f"Host no\n  Include {tmp_path}/config\n"
    )
    error = refusal(config, by_ssh=by_ssh)
    assert (error.code, error.exit) == ("profile-unreadable", 3)
    assert by_ssh or f"{tmp_path}/a:2: Include leads in a circle" in error.message


@pytest.mark.parametrize("by_ssh", READERS)
def test_sixteen_files_in_one_another_are_read_and_seventeen_are_not(
    by_ssh: bool, tmp_path: Path
) -> None:
    files = {f"f{n}": f"Include {tmp_path}/f{n + 1}\n" for n in range(17)}
    write(tmp_path, **files, f17="User deep\n")
    assert resolve(tmp_path / "f1", by_ssh=by_ssh).profile.user == "deep"
    error = refusal(tmp_path / "f0", by_ssh=by_ssh)
    assert error.code == "profile-unreadable"


@pytest.mark.parametrize("by_ssh", READERS)
def test_a_file_that_others_may_write_is_not_included(by_ssh: bool, tmp_path: Path) -> None:
    config = write(tmp_path, config=f"Include {tmp_path}/open\n", open="User mallory\n")
    (tmp_path / "open").chmod(0o666)
    error = refusal(config, by_ssh=by_ssh)
    assert "Bad owner or permissions".lower() in (error.message + error.detail).lower()


def test_a_mistake_is_told_with_its_own_file_and_line(tmp_path: Path) -> None:
    config = write(
        tmp_path, config=f"\nInclude {tmp_path}/a\n", a="# one\n\nPort 22\nBatchMode perhaps\n"
    )
    assert f"{tmp_path}/a:4: batchmode takes yes" in refusal(config, by_ssh=False).message


# --- the user's files and the system's -----------------------------------------------------------


class _Moved(Here):
    @property
    def config(self) -> Path:
        return Path(self.environment["HOME"], ".ssh", "config")


class Machine:
    """Folders that stand for ~ and /etc/ssh, in a mount namespace where ssh sees them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.user, self.system = self.home / ".ssh", folder / "etc"
        for each in (self.user, self.system):
            each.mkdir(parents=True, mode=0o755)
        mount = f"mount --bind '{self.home}' ~ && mount --bind '{self.system}' /etc/ssh"
        self._holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", f"{mount} && echo ready && read _"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "HOME": here().home},
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"

    def ssh(self, folder: Path) -> str:
        """A program that is ssh in that namespace."""
        program = folder / "ssh"
        program.write_text(
            f'#!/bin/sh\nexec nsenter -t {self._holder.pid} -m -- "{SSH}" "$@"\n', encoding="utf-8"
        )
        program.chmod(0o755)
        return str(program)

    def here(self) -> Here:
        """Where gpuws finds the same files without the namespace."""
        plain = {each.name: getattr(here(), each.name) for each in fields(Here)}
        found = {"system": self.system, "environment": {"HOME": str(self.home)}}
        return _Moved(**{**plain, **found})

    def end(self) -> None:
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(10)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if not SSH or os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("needs root, ssh and mount namespaces")
    made = Machine(tmp_path)
    yield made
    made.end()


def test_the_users_files_come_first_and_then_those_of_the_system(
    machine: Machine, tmp_path: Path
) -> None:
    (machine.user / "config").write_text(
        "Include more\nHost box\n  IdentityFile ~/a\n  IdentityFile ~/a\n"
    )
    (machine.user / "more").write_text("User of-more\n")
    (machine.system / "ssh_config").write_text(
        "Include sys.d/*.conf\nUser of-system\nPort 99\nIdentityFile ~/a\nMatch final\n  Port 1\n"
    )
    (machine.system / "sys.d").mkdir()
    (machine.system / "sys.d/x.conf").write_text("ServerAliveInterval 7\n")
    program = machine.ssh(tmp_path)
    which = profiles.asked_for("box", None, None)
    by_ssh = profiles.by_ssh(which, program)
    own = profiles.by_itself(which, machine.here())
    assert (by_ssh.profile.user, by_ssh.profile.port) == ("of-more", 99)
    assert by_ssh.profile.alive_interval == 7
    assert _told(own, machine) == _told(by_ssh, machine)
    assert own.settings.place("user") == f"{machine.user}/more:1"
    assert own.settings.place("serveraliveinterval") == f"{machine.system}/sys.d/x.conf:1"


def test_thirty_pairs_of_files_are_read_as_by_ssh(machine: Machine, tmp_path: Path) -> None:
    program = machine.ssh(tmp_path)
    which = profiles.asked_for("box", None, None)
    compared = 0
    for number in range(30):
        case(Random(number), KNOWN).write(machine.user)
        case(Random(number + 1000), KNOWN).write(machine.system, "ssh_config")
        own = _outcome(partial(profiles.by_itself, which, machine.here()), machine)
        if own != "profile-unsupported":
            by_ssh = _outcome(partial(profiles.by_ssh, which, program, machine.here()), machine)
            assert own == by_ssh, number
            compared += 1
    assert compared > 25


def _told(found: profiles.Resolved, machine: Machine) -> dict[str, object]:
    """The profile, with the true folder for the stand-in and without the note on the resolver."""
    profile = found.profile
    known = tuple(
        file.replace(f"{machine.system}/ssh_known", "/etc/ssh/ssh_known")
        for file in profile.global_known_hosts
    )
    notes = profile.notes[found.resolver == "own" :]
    return asdict(replace(profile, global_known_hosts=known, notes=notes, only_ssh=()))


def _outcome(find: Callable[[], profiles.Resolved], machine: Machine) -> dict[str, object] | str:
    """The code of the error where it is refused."""
    try:
        return _told(find(), machine)
    except GpuwsError as error:
        return error.code


# --- names ---------------------------------------------------------------------------------------


def test_names_are_found_where_they_stand_by_the_same_lexer(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        config=f'Host=one \'two\' *.lan # no\nInclude "{tmp_path}/b c"\nHost a\\ b\n"Host" q\n',
        **{"b c": "\tHOST\tthree\nHost 'open\n"},
    )
    assert known_aliases(config) == ("one", "two", "three", "a b", "q")
    assert alias_places(config)["three"] == f"{tmp_path}/b c:1"
