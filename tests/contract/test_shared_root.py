"""A folder in which a group shares environments: real users, who build, wait, take over and lie."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.environments.build import Built, cancel, ensure, plan_lines
from gpuws.environments.inventory import Removed, inventory, remove
from gpuws.environments.order import BuildOrder
from gpuws.host.probing import probe_script
from gpuws.host.script import fields
from gpuws.plan.facts import facts_from
from gpuws.plan.model import EnvironmentSpec, SharedRoot
from tests.support.build_bench import Heard, kill_build, wait_for
from tests.support.conda_channel import Channel, Served, serve
from tests.support.conda_fixtures import conda_cache, conda_channel, conda_jupyter_channel
from tests.support.members import Group, Member, group_of_users

__all__ = ["conda_cache", "conda_channel", "conda_jupyter_channel"]

HANG = (("GPUWS_TEST_FAULT", "hang:2"),)


@pytest.fixture
def group() -> Iterator[Group]:
    with group_of_users() as group:
        yield group


@pytest.fixture
def served(conda_channel: Channel) -> Iterator[Served]:
    with serve(conda_channel) as served:
        yield served


def order_of(
    group: Group, member: Member, served: Served, *, env: tuple[tuple[str, str], ...] = ()
) -> BuildOrder:
    """The same environment for whoever asks."""
    spec = EnvironmentSpec(
        "environment.yml", "conda", channels=(served.url,), conda=("shared=1.5", "torchlet")
    )
    return replace(member.bench.order(spec, env=env), shared=str(group.shared))


def build(member: Member, order: BuildOrder, heard: Heard | None = None) -> Built:
    return ensure(member.bench.host(), order, heard or Heard(), None)


def told(group: Group, member: Member) -> SharedRoot:
    """What the probe says to this user."""
    host = member.bench.host()
    answers = host.run(probe_script(), "", "", "0", "0", str(group.shared))
    found = facts_from(fields(answers)).shared
    assert found is not None
    return found


def every(folder: str | Path) -> Iterator[os.stat_result]:
    yield os.lstat(folder)
    for path in Path(folder).rglob("*"):
        yield path.lstat()


def beside(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# --- one builds, everybody has it -----------------------------------------------------------------


def test_the_second_user_gets_it_without_a_download_and_cannot_change_it(
    group: Group, served: Served
) -> None:
    order = order_of(group, group.ann, served)
    built = build(group.ann, order)
    assert (built.action, built.prefix) == ("created", f"{group.shared}/envs/{order.hash}")
    served.log.clear()

    seen = told(group, group.bob)
    assert (seen.state, seen.writable) == ("usable", True)
    assert [(each.hash, each.owner, each.fault) for each in seen.prefixes] == [
        (order.hash, group.ann.name, "")
    ]
    again = build(group.bob, order_of(group, group.bob, served))
    assert (again.action, again.prefix, served.log) == ("reused", built.prefix, [])

    version = f"{built.prefix}/share/shared/version"
    assert group.bob.run("cat", version).stdout == "1.5-0\n"
    for word in (f"echo x >>{version}", f"touch {built.prefix}/x", f"rm -rf {built.prefix}/share"):
        assert group.bob.run("sh", "-c", word).returncode != 0
        assert group.ann.run("sh", "-c", f"{word} 2>&1").returncode != 0, "its builder neither"
    assert group.eve.run("cat", version).returncode != 0


def test_it_is_whole_sealed_and_linked_to_no_cache_whatever_the_umask(
    group: Group, served: Served
) -> None:
    (group.ann.home / ".profile").write_text("umask 077\n")
    order = order_of(group, group.ann, served)
    build(group.ann, order)
    gid = group.shared.stat().st_gid
    for status in every(order.prefix):
        assert status.st_gid == gid
        if not stat.S_ISLNK(status.st_mode):
            assert status.st_mode & 0o222 == 0
            assert status.st_mode & 0o040
            assert status.st_mode & 0o007 == 0
        if stat.S_ISREG(status.st_mode):
            assert status.st_nlink == 1
    planned = plan_lines(order)
    made = (path for path in Path(group.shared, "builds", order.hash).iterdir())
    assert all(any(line.startswith(str(path)) for line in planned) for path in made)
    private = Path(order.folder)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert not list(group.shared.rglob("order.sh")), "what the build was told stays with its owner"


def test_a_folder_that_others_may_read_lets_them_use_and_not_build(
    group: Group, served: Served
) -> None:
    group.shared.chmod(0o2775)
    order = order_of(group, group.ann, served)
    build(group.ann, order)
    seen = told(group, group.eve)
    assert (seen.state, seen.writable, seen.prefixes[0].fault) == ("usable", False, "")
    assert group.eve.run("cat", f"{order.prefix}/share/shared/version").stdout == "1.5-0\n"
    assert group.eve.run("ls", f"{group.shared}/builds/{order.hash}").returncode != 0


def test_who_is_not_in_the_group_builds_in_a_root_of_their_own(
    group: Group, served: Served
) -> None:
    assert told(group, group.eve).state == "shut"
    heard = Heard()
    built = build(group.eve, order_of(group, group.eve, served), heard)
    assert built.action == "created"
    assert built.prefix.startswith(f"{group.eve.home}/gpuws/envs/")
    assert any("not shared in" in note for note in heard.notes)
    assert list(group.shared.iterdir()) == []


# --- several at once ------------------------------------------------------------------------------


def hanging(group: Group, served: Served) -> tuple[BuildOrder, threading.Thread, list[str]]:
    """Ann's build, which stands still in the middle; what became of it."""
    order, ends = order_of(group, group.ann, served, env=HANG), []

    def work() -> None:
        try:
            ends.append(build(group.ann, order).action)
        except Exception as error:
            ends.append(str(error))

    thread = beside(work)
    wait_for(Path(order.folder, "build.log"), "Linking")
    return order, thread, ends


def test_of_two_at_once_one_builds_and_the_other_sees_the_same_lines(
    group: Group, served: Served
) -> None:
    order = order_of(group, group.ann, served, env=(("GPUWS_TEST_FAULT", "fetch-slow:1"),))
    first, second, ends = Heard(), Heard(), []
    thread = beside(lambda: ends.append(build(group.ann, order, first).action))
    wait_for(Path(order.folder, "pid"))
    built = build(group.bob, order_of(group, group.bob, served), second)
    thread.join(20)
    assert (ends, built.action, built.prefix) == (["created"], "reused", order.prefix)
    assert any(f"{group.ann.name} is building this" in note for note in second.notes)
    assert any(line.startswith("Linking shared") for line in second.lines)
    assert second.lines == first.lines
    assert Path(order.prefix).stat().st_uid == pwd.getpwnam(group.ann.name).pw_uid


def test_the_build_of_one_that_was_killed_is_taken_over_by_who_waits(
    group: Group, served: Served
) -> None:
    order, thread, ends = hanging(group, served)
    heard, builts = Heard(), []
    other = order_of(group, group.bob, served)
    waits = beside(lambda: builts.append(build(group.bob, other, heard)))
    deadline = time.monotonic() + 15
    while not any("waiting" in note for note in heard.notes) and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_build(order)
    waits.join(20)
    thread.join(20)
    assert [(each.action, each.prefix) for each in builts] == [("created", order.prefix)]
    assert ends and ends != ["created"]
    assert Path(order.prefix).stat().st_uid == pwd.getpwnam(group.bob.name).pw_uid
    aside = list(Path(group.shared, "envs").glob(".left-*"))
    assert len(aside) == 1, "only ann may remove what she left"
    spec = EnvironmentSpec("e.yml", "conda", channels=(served.url,), conda=("torchlet",))
    build(group.ann, replace(group.ann.bench.order(spec), shared=str(group.shared)))
    assert not aside[0].exists()


@pytest.mark.parametrize(
    "hidden", ["-u: hostname node2", "-m: mount -t proc -o hidepid=2 proc /proc"]
)
def test_who_cannot_see_the_builders_process_goes_by_its_signs_of_life(
    group: Group, served: Served, hidden: str
) -> None:
    """The folder is on a file server and bob on another node, or /proc hides what others run."""
    option, _, command = hidden.partition(": ")
    if option == "-m" and tuple(map(int, os.uname().release.split(".")[:2])) < (5, 8):
        pytest.skip("before Linux 5.8, hidepid holds for every mount of /proc")
    order = order_of(group, group.ann, served, env=(("GPUWS_TEST_FAULT", "fetch-slow:1"),))
    enter = f"{command} && exec runuser -u {group.bob.name} -- /bin/sh -s"
    bench = replace(group.bob.bench, shell=("unshare", option, "/bin/sh", "-c", enter))
    there, heard, ends = replace(group.bob, bench=bench), Heard(), []
    thread = beside(lambda: ends.append(build(group.ann, order).action))
    wait_for(Path(order.folder, "pid"))
    built = build(there, order_of(group, group.bob, served), heard)
    thread.join(20)
    assert (ends, built.action, built.prefix) == (["created"], "reused", order.prefix)
    assert any(f"{group.ann.name} is building this" in note for note in heard.notes)


def test_down_ends_a_shared_build_and_takes_what_it_had_made_away(
    group: Group, served: Served
) -> None:
    order, thread, _ = hanging(group, served)
    assert Path(order.prefix).exists()
    cancel(group.ann.bench.host(), order.root, order.hash, order.engine)
    thread.join(20)
    assert list(Path(group.shared, "envs").iterdir()) == []
    assert build(group.bob, order_of(group, group.bob, served)).action == "created"


def test_where_only_owners_remove_an_unfinished_one_sends_others_to_their_own_root(
    group: Group, served: Served
) -> None:
    group.shared.chmod(0o3770)
    order, thread, _ = hanging(group, served)
    kill_build(order)
    thread.join(20)
    heard = Heard()
    built = build(group.bob, order_of(group, group.bob, served), heard)
    assert built.prefix == f"{group.bob.home}/gpuws/envs/{order.hash}"
    assert any("only its owner can remove it" in note for note in heard.notes)
    mended = build(group.ann, order_of(group, group.ann, served))
    assert (mended.action, mended.prefix) == ("created", order.prefix)


# --- what is there, and how it goes ---------------------------------------------------------------


def listed(group: Group, member: Member) -> list[tuple[bool, str, tuple[int, ...]]]:
    root, shared = str(member.bench.root), str(group.shared)
    found = inventory(member.bench.host(), root=root, workspaces=(), shared=shared)
    return [(each.shared, each.owner, each.processes) for each in found]


def removed(group: Group, member: Member, digest: str) -> Removed:
    root, shared = str(member.bench.root), str(group.shared)
    return remove(member.bench.host(), root=root, hashes=[digest], shared=shared)


def test_a_shared_one_is_listed_for_all_and_removed_by_its_builder_alone(
    group: Group, served: Served
) -> None:
    order = order_of(group, group.ann, served)
    build(group.ann, order)
    assert listed(group, group.bob) == [(True, group.ann.name, ())]
    assert listed(group, group.ann) == [(True, group.ann.name, ())]
    assert listed(group, group.eve) == []

    kept = removed(group, group.bob, order.hash)
    assert kept.kept == ((order.hash, f"only {group.ann.name} and root can remove it"),)
    assert told(group, group.bob).prefixes[0].fault == ""
    assert removed(group, group.ann, order.hash).removed == (order.prefix,)
    assert list(Path(group.shared, "envs").iterdir()) == []
    assert build(group.bob, order_of(group, group.bob, served)).action == "created"


def test_one_that_a_process_of_ones_own_uses_stays_complete_and_sealed(
    group: Group, served: Served
) -> None:
    order = order_of(group, group.ann, served)
    build(group.ann, order)
    words = ["runuser", "-u", group.ann.name, "--", "env", f"CONDA_PREFIX={order.prefix}/"]
    process = subprocess.Popen([*words, "sleep", "20"])
    try:
        deadline = time.monotonic() + 10
        while not listed(group, group.ann)[0][2] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "processes use it" in removed(group, group.ann, order.hash).kept[0][1]
    finally:
        process.kill()
        process.wait()
    assert told(group, group.bob).prefixes[0].fault == ""
    assert Path(order.prefix).stat().st_mode & 0o222 == 0


# --- who must not get in --------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["envs", "builds", "folder"])
def test_a_link_that_somebody_planted_is_not_followed(
    group: Group, served: Served, what: str
) -> None:
    bait = group.folder / "bait"
    bait.mkdir()
    bait.chmod(0o777)
    order = order_of(group, group.ann, served)
    heard = Heard()
    if what == "folder":
        moved = group.shared.rename(group.folder / "moved")
        group.shared.symlink_to(moved)
        assert told(group, group.bob).state == "link"
    else:
        place = group.shared / what
        place.mkdir(0o2770)
        place.chmod(0o2770)
        (place / order.hash).symlink_to(bait)
    built = build(group.ann, order, heard)
    assert built.prefix == f"{group.ann.home}/gpuws/envs/{order.hash}"
    assert any("not shared in" in note for note in heard.notes)
    assert list(bait.iterdir()) == []


def test_links_at_envs_and_builds_themselves_are_seen(group: Group) -> None:
    for name in ("envs", "builds"):
        (group.shared / name).symlink_to(group.folder)
        assert told(group, group.bob).state == "planted"
        (group.shared / name).unlink()
    assert told(group, group.bob).state == "usable"


@pytest.mark.parametrize(
    ("mode", "state"), [(0o2777, "open"), (0o770, "closed"), (0o2750, "closed"), (0o3775, "usable")]
)
def test_the_folders_mode_says_whether_it_is_a_groups(group: Group, mode: int, state: str) -> None:
    group.shared.chmod(mode)
    assert told(group, group.bob).state == state


def test_a_folder_of_an_outsider_is_none_of_the_groups(group: Group, served: Served) -> None:
    os.chown(group.shared, pwd.getpwnam(group.eve.name).pw_uid, -1)
    group.shared.chmod(0o2770)
    assert told(group, group.bob).state == "outsider"
    heard = Heard()
    built = build(group.bob, order_of(group, group.bob, served), heard)
    assert built.prefix.startswith(str(group.bob.home))
    assert any("outsider" in note for note in heard.notes)


@pytest.mark.parametrize(("mode", "state"), [(0o777, "exposed"), (0o1777, "usable")])
def test_the_folder_above_must_not_let_others_swap_it(group: Group, mode: int, state: str) -> None:
    group.folder.chmod(mode)
    assert told(group, group.bob).state == state


def test_what_an_outsider_owns_or_others_may_write_is_not_used(
    group: Group, served: Served
) -> None:
    order = order_of(group, group.ann, served)
    build(group.ann, order)
    prefix, eve = Path(order.prefix), pwd.getpwnam(group.eve.name).pw_uid

    def fault() -> str:
        return told(group, group.bob).prefixes[0].fault

    def builds_own() -> None:
        built = build(group.bob, order_of(group, group.bob, served))
        assert built.prefix.startswith(str(group.bob.home))

    ann = prefix.stat().st_uid
    os.chown(prefix / ".gpuws-complete", eve, -1)
    assert fault() == f"it belongs to {group.eve.name}, who is not in the group"
    builds_own()
    os.chown(prefix / ".gpuws-complete", ann, -1)
    prefix.chmod(0o2770)
    assert fault() == "others may write in it"
    builds_own()
    prefix.chmod(0o2550)
    assert fault() == ""


def test_a_record_that_lies_ends_nothing_and_keeps_nobody_waiting(
    group: Group, served: Served
) -> None:
    """Bob's record names a process that is not there, and ann's folder of sockets as its engine."""
    order = order_of(group, group.ann, served)
    common = group.shared / "builds" / order.hash
    for folder, mode in ((common.parent, 0o2770), (common, 0o3770)):
        folder.mkdir()
        shutil.chown(folder, group.bob.name, group.name)
        folder.chmod(mode)
    keep = group.ann.home / "r"
    keep.mkdir()
    (keep / "tmux.pid").write_text("precious")
    shutil.chown(keep, group.ann.name)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (common / "lock.1").symlink_to(f"{os.uname().nodename} {boot} 1 tmux b-x {keep}")
    built = build(group.ann, order)
    assert (built.action, built.prefix) == ("created", order.prefix)
    assert (keep / "tmux.pid").read_text() == "precious"
    with suppress(FileNotFoundError):
        assert (common / "desk.2").stat().st_uid == pwd.getpwnam(group.ann.name).pw_uid
