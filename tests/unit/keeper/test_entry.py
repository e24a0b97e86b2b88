"""The way to a host as an entry of hosts.yaml has it, over what ssh says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.keeper.entry import same_way, told, with_entry
from gpuws.plan.model import HostEntry, Profile
from gpuws.plan.requests import Reach

FOUND = Profile(
    "a",
    "h",
    22,
    "me",
    identity_files=("/k1", "/k2"),
    user_known_hosts=("/known",),
    global_known_hosts=("/etc/known",),
    proxy_command="nc h 22",
)
ENTRY = HostEntry("rented", ssh="root@h", known_hosts="known_hosts/rented")


def test_an_entry_without_words_on_it_changes_nothing() -> None:
    assert with_entry(FOUND, HostEntry("a")) == FOUND


def test_the_entrys_key_is_the_only_one_and_its_jump_replaces_the_command() -> None:
    entry = HostEntry("a", identity_file="~/k", proxy_jump="b,me@c:2200")
    made = with_entry(FOUND, entry)
    assert made.identity_files == (str(Path("~/k").expanduser()),)
    assert made.identities_only
    assert (made.proxy_jump, made.proxy_command) == (("b", "me@c:2200"), None)


def test_its_own_known_hosts_are_asked_alone_and_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPUWS_CONFIG_DIR", str(tmp_path))
    made = with_entry(FOUND, ENTRY)
    assert made.user_known_hosts == (str(tmp_path / "known_hosts" / "rented"),)
    assert made.global_known_hosts == ()
    assert made.host_key_alias == "rented"


def test_a_renewed_entry_is_another_way_and_its_workspaces_settings_are_not() -> None:
    reach = Reach("rented", ENTRY)
    assert same_way(reach, Reach("rented", replace(ENTRY, root="/w"), verbose=2))
    for changed in (replace(ENTRY, ssh="root@g"), replace(ENTRY, port=7)):
        assert not same_way(reach, Reach("rented", changed))


def test_a_changed_key_of_such_an_entry_names_the_command_that_renews_it() -> None:
    changed = told(GpuwsError("host-key-changed", "x", hint="ssh-keygen -R"), Reach("r", ENTRY))
    assert "gpuws hosts add rented --" in changed.hint
    alias = Reach("a", HostEntry("a"))
    assert told(GpuwsError("host-key-changed", "x", hint="y"), alias).hint == "y"
