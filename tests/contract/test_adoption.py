"""A workspace's folder on another machine: adopted, left alone, or asked about. Row 60.

The machines are this one and namespaces of it with another name and boot id; whatever a session of
one of them runs goes on while the other looks, as it does where two share a file server.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpuws.engines.engine import SETSID
from gpuws.engines.session import look, stop
from gpuws.environments.works import fault
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.model import Workspace
from gpuws.plan.ports import Script
from tests.support.lab import end_sessions
from tests.support.local_host import LocalHost
from tests.support.other_machine import Machine, machine, on_a_file_server, this_boot
from tests.support.sessions import Lab, gone, stand_in

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")


@pytest.fixture
def first(short_tmp: Path) -> Iterator[Lab]:
    """This machine, whose session runs."""
    prefix = stand_in(short_tmp / "env")
    made = Lab(short_tmp, LocalHost(short_tmp), str(prefix), SETSID)
    made.start()
    yield made
    end_sessions(short_tmp)


def seen_from(first: Lab, other: Machine, *, file_server: bool = False) -> Lab:
    """The same folder on another machine, where the next session would be another one."""
    env = {"PATH": on_a_file_server(first.home / "nfs", first.home)} if file_server else {}
    host = LocalHost(first.home, shell=(*other.within, "/bin/sh"), env=env)
    return dataclasses.replace(first, host=host, instance="f" * 32)


def own_record(lab: Lab, other: Machine) -> dict[str, object]:
    return lab.record(node=other.node, boot_id=other.boot_id)


def shown(lab: Lab) -> Workspace:
    return look(lab.host, root=lab.root).workspaces[0]


def age(first: Lab, seconds: float) -> int:
    """The last sign of life was so long ago; no other one comes within a minute."""
    when = int(time.time() - seconds)
    os.utime(first.folder / "beat", (when, when))
    for lock in first.folder.glob("lock.*"):
        os.utime(lock, (when, when), follow_symlinks=False)
    return when


def until(true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def refused(lab: Lab, act: Callable[[], object]) -> GpuwsError:
    with pytest.raises(GpuwsError) as caught:
        act()
    assert caught.value.code == "locked"
    return caught.value


def test_a_disk_that_hangs_on_another_machine_has_left_the_first_one(first: Lab) -> None:
    other = machine(first.home)
    there = seen_from(first, other)
    beat = age(first, 90)
    assert (shown(there).state, shown(there).since) == ("moved", beat)
    assert there.start(record=own_record(there, other)).state == "running"
    assert shown(there).get("node") == "gpu-b"


def test_the_same_name_after_another_boot_is_a_reboot(first: Lab) -> None:
    other = machine(first.home, os.uname().nodename)
    assert shown(seen_from(first, other)).state == "rebooted"


def test_a_live_owner_on_a_file_server_is_never_taken_for_dead(first: Lab) -> None:
    """Whatever boot ids say, and whatever the person says."""
    other = machine(first.home)
    there = seen_from(first, other, file_server=True)
    assert (shown(there).state, shown(there).target) == ("running", None)
    for take in (False, True):
        act = lambda take=take: there.start(record=own_record(there, other), take=take)  # noqa: E731
        assert f"runs on the node {os.uname().nodename}" in refused(there, act).message
    refused(there, lambda: stop(there.host, root=there.root, name="demo"))
    assert shown(first).state == "running"


def test_two_machines_of_one_name_on_a_file_server_are_two(first: Lab) -> None:
    """As clouds name them all the same: only the beat tells a reboot from a neighbour."""
    there = seen_from(first, machine(first.home, os.uname().nodename), file_server=True)
    assert (shown(there).state, shown(there).target) == ("running", None)
    booted = look(there.host, root=there.root).boot_time
    age(first, time.time() - booted + 60)
    assert shown(there).state == "rebooted"


def test_a_silent_owner_is_replaced_after_a_yes_and_ends_itself_if_it_was_only_asleep(
    first: Lab,
) -> None:
    other = machine(first.home)
    there = seen_from(first, other, file_server=True)
    record = own_record(there, other)
    beat = age(first, 400)
    assert (shown(there).state, shown(there).since) == ("silent", beat)
    assert "--here" in refused(there, lambda: there.start(record=record)).hint
    refused(there, lambda: stop(there.host, root=there.root, name="demo"))
    asleep = first.service()
    assert there.start(record=record, take=True).state == "running"
    awake = there.service()
    until(lambda: gone(asleep), 12)
    assert not gone(awake)
    time.sleep(0.5)  # its supervisor has had the time to write what it must not
    assert shown(there).state == "running"


def test_another_container_of_the_same_kernel_is_asked_about_too(first: Lab) -> None:
    """No boot id and no filesystem tells these apart."""
    there = seen_from(first, machine(first.home, "pod-2", this_boot()))
    assert shown(there).state == "running"
    age(first, 400)
    assert shown(there).state == "silent"


def test_a_fresh_lock_of_a_machine_that_had_this_disk_holds_nobody_up(first: Lab) -> None:
    other = machine(first.home)
    there = seen_from(first, other)
    (first.folder / "lock.99").symlink_to(f"1 1 {this_boot()} {os.uname().nodename}")
    begun = time.monotonic()
    there.start(record=own_record(there, other))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(("file_server", "verdict"), [(False, "over"), (True, "goes on")])
def test_a_build_of_another_machine_is_over_when_its_disk_is_here(
    first: Lab, file_server: bool, verdict: str
) -> None:
    build = first.home / "build"
    build.mkdir()
    (build / "lock.1").symlink_to(f"{os.uname().nodename} {this_boot()} 1 setsid b-1 /run/b-1")
    (build / "state").write_text("running\n")
    (build / "build.log").write_text("linking\n")
    there = seen_from(first, machine(first.home), file_server=file_server)
    parts = script("gpuws.environments", "gpuws.engines:volume.sh", "lock.sh")
    ask = 'newest_lock "$1"; if lives "$1"; then say build "goes on"; else say build over; fi\n'
    answer = there.host.run(Script("ask", parts.text + ask), str(build))
    assert fields(answer)["build"] == [verdict]


def test_an_environment_that_came_along_is_tried_on_this_machine(first: Lab) -> None:
    assert fault(first.host, first.prefix, ("json", "email.mime")) == ""
    assert "No module named 'no_such'" in fault(first.host, first.prefix, ("json", "no_such"))
    assert "no python" in fault(first.host, f"{first.prefix}/none", ())
