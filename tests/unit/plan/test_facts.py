"""What the host says is believed only where it can be true. Transcripts are the cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpuws.errors import GpuwsError
from gpuws.host.script import fields
from gpuws.plan.facts import facts_from, workspaces_from
from gpuws.plan.model import Build, BuiltPrefix, HostFacts, Target
from gpuws.plan.ports import Reply

# the first text drawn on a fresh machine builds tables of all characters, which takes a second
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TRANSCRIPTS = Path(__file__).parent / "transcripts"


def said(name: str) -> dict[str, list[str]]:
    return fields(Reply((TRANSCRIPTS / f"{name}.txt").read_text(encoding="utf-8"), 0))


def facts(name: str) -> HostFacts:
    return facts_from(said(name))


def test_a_gpu_box_is_read_in_full() -> None:
    box = facts("gpu-box")
    assert (box.user, box.uid, box.home, box.node) == ("mira", 1004, "/home/mira", "node7")
    assert (box.root, box.root_state, box.root_writable) == ("/home/mira/gpuws", "private", True)
    assert (box.disk_free_mb, box.inodes_free, box.root_filesystem) == (
        812345,
        30011223,
        "ext2/ext3",
    )
    assert (box.run_base, box.run_base_exists) == ("/home/mira/gpuws/run", True)
    assert (box.driver, box.cuda, box.glibc, box.slurm) == ("550.54.15", "12.4", "2.36", False)
    assert (box.linger, box.kill_user_processes, box.tmp_noexec) == (False, False, ("/tmp",))
    assert box.environments == ("/home/mira/.conda/envs/old", "/opt/conda/envs/torch")
    assert box.settings == ("/home/mira/.condarc", "https_proxy")
    assert box.prefixes == (BuiltPrefix("00aa11bb22cc33dd", "uv", 2048),)
    assert box.current == (("vision", "00aa11bb22cc33dd"),)
    assert box.builds == (Build("ffeeddccbbaa9988", "running", ("demo",)),)
    assert [(q.filesystem, q.used_mb, q.limit_mb) for q in box.quotas] == [("/dev/md0", 1024, 2048)]
    assert box.home_filesystem == "nfs"
    assert box.unanswered == ()
    assert box.doubts == ()


def test_each_card_names_who_is_on_it() -> None:
    first, second = facts("gpu-box").gpus
    assert (first.index, first.name, first.memory_used) == (0, "NVIDIA A100-SXM4-80GB", 71680)
    assert first.users == ("jonas", "?")
    assert [(p.pid, p.user, p.memory) for p in first.processes] == [
        (4242, "jonas", 70000),
        (4343, "?", -1),
    ]
    assert second.users == ("mira",)


def test_the_first_tool_of_a_name_counts_and_the_newest_python_is_first() -> None:
    box = facts("gpu-box")
    conda = box.tool("micromamba", "conda")
    assert conda is not None and conda.path == "/opt/conda/bin/conda"
    assert [python.version for python in box.pythons] == ["3.12.4", "3.11.2", "3.9.18"]
    assert box.pythons[1].features == ("ensurepip", "venv")


def test_a_host_without_gpus_tmux_or_glibc_is_told_as_it_is() -> None:
    assert facts("no-gpu").gpus == ()
    assert facts("no-gpu").linger is None
    assert facts("no-tmux").tool("tmux") is None
    musl = facts("musl")
    assert (musl.musl, musl.glibc) == (True, "")


def test_a_login_node_is_recognised_with_what_nvidia_smi_said() -> None:
    node = facts("login-node")
    assert node.slurm and not node.gpus
    assert "could not communicate" in node.gpu_error
    assert node.path == "/opt/slurm/bin:/usr/bin"
    assert (node.kill_user_processes, node.run_base) == (True, "/var/tmp/gpuws-1004")


def test_a_part_that_ran_into_its_deadline_is_named() -> None:
    hung = facts("hung-mount")
    assert hung.unanswered == ("home", "root")
    assert not hung.root_writable
    assert hung.tool("tmux") is not None


def test_an_answer_without_the_essentials_is_refused() -> None:
    with pytest.raises(GpuwsError) as caught:
        facts("garbage")
    assert caught.value.code == "remote-shell"
    assert "\x1b" not in caught.value.message


def test_nothing_absurd_that_a_hostile_host_says_is_believed() -> None:
    host = facts("hostile")
    assert (host.shell, host.boot_id, host.boot_time, host.node) == ("", "", 0, "")
    assert (host.disk_free_mb, host.inodes_free, host.run_base) == (-1, -1, "")
    assert (host.root_state, host.root_filesystem) == ("absent", "")
    assert [(t.name, t.version) for t in host.tools] == [("curl", "")]
    assert not (host.pythons or host.prefixes or host.builds or host.current)
    assert not (host.environments or host.settings or host.tmp_noexec or host.quotas)
    (card,) = host.gpus
    assert (card.index, card.memory_total, card.memory_used, card.utilisation) == (1, -1, -1, -1)
    assert {"tool", "python", "gpu", "prefix", "workspace", "run_base"} <= set(host.doubts)


def test_one_card_is_not_told_twice_under_two_indices() -> None:
    answer = said("gpu-box")
    answer["gpu"].append(answer["gpu"][0].replace("0, ", "7, ", 1))
    found = facts_from(answer)
    assert [card.index for card in found.gpus] == [0, 1]
    assert found.doubts == ("gpu",)


def test_a_hostile_workspace_line_leaves_only_what_can_be_true() -> None:
    found = {each.name: each for each in workspaces_from(said("hostile"))}
    assert sorted(found) == ["a", "b", "e", "f", "g", "h", "i"]
    assert found["a"].raw == {"schema": 1, "name": "a", "strange": [1]}
    assert all(each.target is None for each in found.values())
    assert found["b"].raw == found["e"].raw == found["g"].raw == found["h"].raw == {}
    assert found["b"].since == 0


def test_a_newer_schema_is_kept_readable() -> None:
    found = {each.name: each for each in workspaces_from(said("hostile"))}
    assert found["f"].raw == {"schema": 7, "name": "f", "new": {"key": 1}, "local_port": 8890}
    assert found["f"].state == "stopped"


def test_a_running_workspace_has_its_file_and_its_target() -> None:
    (vision,) = workspaces_from(said("gpu-box"))
    assert vision.target == Target(socket="/home/mira/gpuws/run/w-1a2b3c4d/jupyter.sock")
    assert (vision.state, vision.since) == ("running", 1763900100)
    assert vision.get("base_url") == "/w-0011223344556677/"
    assert vision.raw["owner"] == {
        "person": "mira",
        "laptop": "thin",
        "folder": "/home/mira/vision",
    }
    assert len(vision.raw) == 20


def test_a_port_of_an_ordinary_user_is_a_target() -> None:
    (found,) = workspaces_from({"workspace": ["a\trunning\t5\ttcp:40123\t{}"]})
    assert found.target == Target(port=40123)


@pytest.mark.parametrize("key", ["home", "shell", "run_base", "node", "env", "setting", "tool"])
def test_a_line_of_a_megabyte_is_dropped(key: str) -> None:
    answer = said("no-gpu")
    answer[key] = ["/" + "x" * (1 << 20)]
    if key == "home":
        with pytest.raises(GpuwsError):
            facts_from(answer)
        return
    assert key in facts_from(answer).doubts


WORDS = st.one_of(st.text(max_size=60), st.sampled_from(["", "/", "yes", "1", "{}", "a\tb\tc"]))
KEYS = sorted({key for path in TRANSCRIPTS.glob("*.txt") for key in said(path.stem)})


@PATIENT
@given(st.dictionaries(st.sampled_from(KEYS), st.lists(WORDS, max_size=3)))
def test_no_answer_breaks_the_reader(noise: dict[str, list[str]]) -> None:
    assert isinstance(facts_from({**said("no-gpu"), **_without_essentials(noise)}), HostFacts)
    try:
        facts_from(noise)
    except GpuwsError as error:
        assert error.code == "remote-shell"


def _without_essentials(noise: dict[str, list[str]]) -> dict[str, list[str]]:
    needed = {"system", "machine", "user", "uid", "home", "now", "root"}
    return {key: values for key, values in noise.items() if key not in needed}


@PATIENT
@given(st.text(max_size=200))
def test_no_workspace_line_breaks_the_reader(document: str) -> None:
    for found in workspaces_from({"workspace": [f"a\trunning\t5\t-\t{document}"]}):
        assert found.raw == {} or found.raw["schema"]


def test_only_plain_folders_shadow_and_no_more_than_a_message_can_hold() -> None:
    told = {**said("gpu-box"), "shadowing": ["/a", "/a", "rel", "/b/../c", "/\x1b[2J"]}
    found = facts_from(told)
    assert (found.shadowing, found.doubts) == (("/a",), ("shadowing",))
    many = {**said("gpu-box"), "shadowing": [f"/f{n}" for n in range(50)]}
    assert len(facts_from(many).shadowing) == 8
