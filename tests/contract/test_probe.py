"""The probe, run for real: by several shells, with few tools, beside broken ones, and read-only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpuws.errors import GpuwsError
from gpuws.host.probing import probe_script
from gpuws.host.script import fields
from gpuws.plan.facts import facts_from
from gpuws.plan.model import Build, HostFacts, Tool
from gpuws.plan.ports import Script
from tests.support.local_host import LocalHost

Fields = dict[str, list[str]]
SHELLS = ("dash", "bash --posix", "busybox sh")
TEN_TOOLS = ("cat", "cut", "date", "head", "id", "ls", "sed", "sh", "sleep", "uname")
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
ROOT_USER = os.geteuid() == 0
U0 = "GPU-8a1c5f52-6f0e-4b9a-9c0d-3f8e2a7b1c4d"
U1 = "GPU-1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"


def probe_with(**seconds: int) -> Script:
    """The probe, with other deadlines where a test waits for one."""
    whole = probe_script()
    text = whole.text
    for name, value in seconds.items():
        before = {"PATIENCE": "PATIENCE=9", "SMI_SECONDS": "SMI_SECONDS=7", "RC": "ask_shell 5"}
        assert before[name] in text
        text = text.replace(before[name], before[name][:-1] + str(value))
    return Script(whole.name, text)


def shell_of(words: str) -> tuple[str, ...]:
    name, *flags = words.split()
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return (found, *flags)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    return folder


Ask = Callable[..., Fields]


@pytest.fixture
def ask(home: Path) -> Ask:
    def run(
        *args: str, shell: str = "/bin/sh", program: Script | None = None, **env: str
    ) -> Fields:
        asked = (*args, *("", "", "0", "0")[len(args) :])
        plain = {"PATH": SYSTEM, "SHELL": "/bin/sh", "TMPDIR": str(home.parent)}
        host = LocalHost(home, shell=tuple(shell_of(shell)), env={**plain, **env})
        return fields(host.run(program or probe_with(), *asked))

    return run


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def before_system(folder: Path) -> str:
    return f"{folder}:{SYSTEM}"


def tools(folder: Path, *names: str) -> str:
    """A PATH of nothing but these."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = shutil.which(name, path=SYSTEM)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


def tool_paths(answer: Fields, name: str) -> list[str]:
    return [line.split("\t")[1] for line in answer.get("tool", []) if line.startswith(f"{name}\t")]


def tree(folder: Path) -> str:
    """Every path below with its mode, size, time and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path} {status.st_mode} {status.st_mtime_ns} {status.st_ino}".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


# --- any shell, any userland ----------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gives_the_same_true_answer(shell: str, ask: Ask, home: Path) -> None:
    facts = facts_from(ask(shell=shell))
    assert (facts.system, facts.machine) == (os.uname().sysname, os.uname().machine)
    assert facts.user == pwd.getpwuid(os.geteuid()).pw_name
    assert (facts.uid, facts.home, facts.node) == (os.geteuid(), str(home), os.uname().nodename)
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert abs(facts.now - time.time()) < 30
    assert 0 < facts.boot_time <= facts.now
    assert (facts.root, facts.root_state, facts.root_writable) == (f"{home}/gpuws", "absent", True)
    assert abs(facts.disk_free_mb - shutil.disk_usage(home).free // (1 << 20)) < 4096
    assert facts.root_filesystem
    assert facts.tool("tar") is not None
    assert (facts.unanswered, facts.doubts) == ((), ())


@pytest.mark.parametrize("shell", SHELLS)
def test_ten_tools_are_enough(shell: str, ask: Ask, home: Path, tmp_path: Path) -> None:
    path = tools(tmp_path / "bin", *TEN_TOOLS)
    facts = facts_from(ask(shell=shell, PATH=path))
    assert facts.unanswered == ()
    assert (facts.root, facts.root_writable) == (f"{home}/gpuws", True)
    assert facts.tool("tmux", "tar", "curl", "timeout") is None


def test_a_userland_of_busybox_alone_is_enough(ask: Ask, home: Path, tmp_path: Path) -> None:
    busybox = shell_of("busybox")[0]
    path = tmp_path / "bin"
    path.mkdir()
    for name in (*TEN_TOOLS, "stat", "df", "timeout", "grep", "env", "tar", "wget", "readlink"):
        (path / name).symlink_to(busybox)
    facts = facts_from(ask(shell="busybox sh", PATH=str(path)))
    assert (facts.unanswered, facts.doubts) == ((), ())
    assert facts.root_filesystem and facts.disk_free_mb > 0
    wget = facts.tool("wget")
    assert wget is not None and wget.path == f"{path}/wget"


def test_free_space_comes_from_df_where_stat_is_missing(ask: Ask, tmp_path: Path) -> None:
    facts = facts_from(ask(PATH=tools(tmp_path / "bin", *TEN_TOOLS, "df")))
    assert abs(facts.disk_free_mb - shutil.disk_usage(tmp_path).free // (1 << 20)) < 4096


def test_an_old_timeout_that_wants_a_flag_is_not_trusted(ask: Ask, tmp_path: Path) -> None:
    executable(tmp_path / "bin/timeout", '[ "$1" = -t ] || exit 127\nshift 2\nexec "$@"')
    facts = facts_from(ask(PATH=before_system(tmp_path / "bin")))
    assert facts.unanswered == ()
    assert facts.pythons or not shutil.which("python3", path=SYSTEM)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_home_with_spaces_quotes_and_letters_of_any_kind_works(
    shell: str, ask: Ask, tmp_path: Path
) -> None:
    strange = tmp_path / 'it\'s "my" $HOME 项目 * %s'
    executable(strange / "miniconda3/bin/conda", "")
    facts = facts_from(ask("~/my ws", shell=shell, HOME=str(strange)))
    assert facts.root == f"{strange}/my ws"
    conda = facts.tool("conda")
    assert conda is not None and conda.path == f"{strange}/miniconda3/bin/conda"
    assert facts.doubts == ()


def test_the_probe_writes_nothing(ask: Ask, home: Path, tmp_path: Path) -> None:
    executable(home / "gpuws/tools/bin/micromamba", "")
    (home / "gpuws/workspaces/a").mkdir(parents=True)
    before = tree(tmp_path)
    for shell in ("/bin/sh", "bash --posix"):
        ask("", "PATH=$PATH:/x", "1", shell=shell, SHELL=shutil.which("bash") or "/bin/sh")
    assert tree(tmp_path) == before


# --- the root folder ------------------------------------------------------------------------------


def test_the_pointer_in_home_names_the_root(ask: Ask, home: Path) -> None:
    (home / ".gpuws-root").write_text("/data/me/gpuws/\nsecond line\n")
    assert ask()["root"] == ["/data/me/gpuws"]
    assert ask("~/other")["root"] == [f"{home}/other"]
    assert ask("deep/er")["root"] == [f"{home}/deep/er"]


@pytest.mark.parametrize("root", ["~bob/ws", "/", "/data/../etc", "/a//b", "~/./x", "/a\nb"])
def test_a_root_that_is_no_plain_folder_is_refused(root: str, ask: Ask) -> None:
    with pytest.raises(GpuwsError) as caught:
        ask(root)
    assert caught.value.code == "no-root-folder"
    assert caught.value.hint


def test_an_empty_pointer_and_a_home_that_is_no_path_are_refused(ask: Ask, home: Path) -> None:
    for bad in ("relative", "/a\nb", "/tab\tbed"):
        with pytest.raises(GpuwsError, match="HOME"):
            ask(HOME=bad)
    (home / ".gpuws-root").write_text("")
    with pytest.raises(GpuwsError, match="is empty"):
        ask()


def test_the_root_is_told_as_it_is_without_following_a_link(ask: Ask, home: Path) -> None:
    root = home / "gpuws"
    root.mkdir(0o700)
    assert ask()["root_state"] == ["private"]
    root.chmod(0o750)
    assert ask()["root_state"] == ["open"]
    root.rmdir()
    root.symlink_to(home / "elsewhere")
    assert ask()["root_state"] == ["link"]
    root.unlink()
    root.write_text("")
    answer = ask()
    assert (answer["root_state"], answer["root_writable"]) == (["file"], ["no"])


def test_a_root_of_somebody_else_is_foreign(ask: Ask, home: Path) -> None:
    if not ROOT_USER:
        pytest.skip("needs root to give a folder away")
    (home / "gpuws").mkdir(0o700)
    os.chown(home / "gpuws", 12345, 12345)
    assert ask()["root_state"] == ["foreign"]


def test_a_home_that_cannot_be_written_is_told(ask: Ask, home: Path) -> None:
    if ROOT_USER:
        pytest.skip("root may write everywhere")
    home.chmod(0o500)
    answer = ask()
    assert (answer["root_writable"], answer["home_writable"]) == (["no"], ["no"])


def test_a_root_below_a_folder_that_is_missing_can_still_be_made(ask: Ask, home: Path) -> None:
    facts = facts_from(ask("~/not/yet/there"))
    assert (facts.root_state, facts.root_writable) == ("absent", True)
    assert facts.disk_free_mb > 0


def test_the_folder_for_sockets_is_private_and_short(ask: Ask, home: Path) -> None:
    run = home / "gpuws/run"
    run.mkdir(parents=True, mode=0o700)
    answer = ask()
    if len(str(run)) <= 76:
        assert (answer["run_base"], answer["run_base_exists"]) == ([str(run)], ["yes"])
    run.chmod(0o755)
    assert ask()["run_base"] != [str(run)]
    run.rmdir()
    run.symlink_to(home)
    assert ask()["run_base"] != [str(run)]
    (chosen,) = ask("~/" + "long" * 20)["run_base"]
    assert len(f"{chosen}/w-12345678/jupyter.sock".encode()) <= 100


def test_only_finished_prefixes_count_and_links_and_builds_are_told(ask: Ask, home: Path) -> None:
    envs, builds = home / "gpuws/envs", home / "gpuws/builds"
    for digest in ("00aa11bb22cc33dd", "ffeeddccbbaa9988"):
        (envs / digest).mkdir(parents=True)
    (envs / "00aa11bb22cc33dd/.gpuws-complete").write_text("")
    (envs / "vision").symlink_to("00aa11bb22cc33dd")
    (builds / "ffeeddccbbaa9988").mkdir(parents=True)
    (builds / "ffeeddccbbaa9988/state").write_text("running 1234\n")
    (builds / "ffeeddccbbaa9988/wanted-demo").touch()
    facts = facts_from(ask())
    assert [each.hash for each in facts.prefixes] == ["00aa11bb22cc33dd"]
    assert facts.current == (("vision", "00aa11bb22cc33dd"),)
    assert facts.builds == (Build("ffeeddccbbaa9988", "running", ("demo",)),)


# --- deadlines ------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Executables that never answer. They are ended by the pid they leave behind."""
    pids = tmp_path / "pids"
    pids.mkdir()

    def make(name: str) -> Path:
        text = f"echo $$ >{pids}/{name}.$$\nexec sleep 300"
        return executable(tmp_path / "bin" / name, text)

    yield make
    for pid in (int(path.read_text()) for path in pids.iterdir()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("with_timeout", [True, False])
def test_a_silent_nvidia_smi_costs_its_deadline_and_nothing_else(
    with_timeout: bool, ask: Ask, sleeper: Callable[[str], Path], tmp_path: Path
) -> None:
    sleeper("nvidia-smi")
    path = before_system(tmp_path / "bin")
    if not with_timeout:
        path = tools(tmp_path / "bin", *TEN_TOOLS)
    started = time.monotonic()
    facts = facts_from(ask(program=probe_with(SMI_SECONDS=1), PATH=path))
    assert time.monotonic() - started < 6
    assert facts.gpu_error == "nvidia-smi gave no answer within 1 s"
    assert facts.unanswered == ()
    pids = [int(each.read_text()) for each in (tmp_path / "pids").iterdir()]
    assert len(pids) == 3
    assert not any(map(is_alive, pids))


def test_a_hung_filesystem_leaves_the_other_parts_of_the_answer(
    ask: Ask, sleeper: Callable[[str], Path], tmp_path: Path
) -> None:
    sleeper("stat")
    started = time.monotonic()
    answer = ask(program=probe_with(PATIENCE=1), PATH=before_system(tmp_path / "bin"))
    assert time.monotonic() - started < 6
    facts = facts_from(answer)
    assert facts.unanswered == ("home", "root")
    assert facts.tool("tar") is not None


# --- cards ----------------------------------------------------------------------------------------


def nvidia_smi(tmp_path: Path, cards: str, processes: str, status: int = 0) -> str:
    """Answers only the questions that the real one knows."""
    banner = "| NVIDIA-SMI 550.54.15    Driver Version: 550.54.15    CUDA Version: 12.4     |"
    (tmp_path / "cards").write_bytes(cards.encode("utf-8", "surrogateescape"))
    (tmp_path / "processes").write_bytes(processes.encode("utf-8", "surrogateescape"))
    text = f"""case $* in
"--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu \
--format=csv,noheader,nounits") cat '{tmp_path}/cards' ;;
"--query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits")
  cat '{tmp_path}/processes' ;;
"") echo '+-----+'; echo '{banner}' ;;
*) echo "Field is not a valid field to query." ; exit 2 ;;
esac
exit {status}"""
    executable(tmp_path / "bin/nvidia-smi", text)
    return before_system(tmp_path / "bin")


def test_cards_come_with_their_users_driver_and_cuda(ask: Ask, tmp_path: Path) -> None:
    path = nvidia_smi(
        tmp_path,
        f"0, {U0}, NVIDIA A100-SXM4-80GB, 81920, 7000, 98\n"
        f"1, {U1}, NVIDIA A100-SXM4-80GB, 81920, [N/A], [N/A]\n",
        f"{U0}, {os.getpid()}, 6900\n{U1}, 4194303, [N/A]\n",
    )
    facts = facts_from(ask(PATH=path))
    first, second = facts.gpus
    assert (first.name, first.memory_used, first.utilisation) == ("NVIDIA A100-SXM4-80GB", 7000, 98)
    assert first.users == (pwd.getpwuid(os.geteuid()).pw_name,)
    assert first.processes[0].memory == 6900
    assert (second.memory_used, second.users) == (-1, ("?",))
    assert (facts.driver, facts.cuda, facts.gpu_error) == ("550.54.15", "12.4", "")


def test_an_idle_card_has_no_users(ask: Ask, tmp_path: Path) -> None:
    path = nvidia_smi(tmp_path, f"0, {U0}, T4, 15360, 3, 0\n", "")
    (card,) = facts_from(ask(PATH=path)).gpus
    assert card.users == ()


def test_a_failing_nvidia_smi_is_told_in_its_own_words(ask: Ask, tmp_path: Path) -> None:
    path = nvidia_smi(tmp_path, "NVIDIA-SMI has failed because of the driver.\n", "", 9)
    facts = facts_from(ask(PATH=path))
    assert facts.gpus == ()
    assert facts.gpu_error == "nvidia-smi failed: NVIDIA-SMI has failed because of the driver."


def test_garbage_of_nvidia_smi_is_bounded_and_not_believed(ask: Ask, tmp_path: Path) -> None:
    noise = ("\x1b[2J\udcff" * 50_000 + "\n") + "0, x, y\n" * 5000
    answer = ask(PATH=nvidia_smi(tmp_path, noise, noise[100_000:]))
    assert len(answer["gpu"]) <= 256
    assert max(map(len, answer["gpu"])) <= 400
    facts = facts_from(answer)
    assert facts.gpus == ()
    assert "gpu" in facts.doubts
    assert facts.unanswered == ()


def test_sbatch_makes_a_slurm_host(ask: Ask, tmp_path: Path) -> None:
    assert "slurm" not in ask()
    executable(tmp_path / "bin/sbatch", "")
    assert ask(PATH=before_system(tmp_path / "bin"))["slurm"] == ["yes"]


# --- tools, Pythons, conda ------------------------------------------------------------------------


def test_a_tmux_that_does_not_run_is_as_good_as_none(ask: Ask, tmp_path: Path) -> None:
    executable(tmp_path / "bin/tmux", "echo libevent.so: cannot open; exit 127")
    assert tool_paths(ask(PATH=before_system(tmp_path / "bin")), "tmux") == []
    executable(tmp_path / "bin/tmux", "echo tmux 1.8")
    answer = ask(PATH=before_system(tmp_path / "bin"))
    assert f"tmux\t{tmp_path}/bin/tmux\t1.8" in answer["tool"]


def test_functions_directories_and_relative_folders_are_no_tools(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "bin/git").mkdir(parents=True)
    executable(tmp_path / "home/here/curl", "")
    path = tools(tmp_path / "few", *TEN_TOOLS)
    answer = ask(PATH=f"{tmp_path}/bin:here::{path}")
    assert tool_paths(answer, "git") == tool_paths(answer, "curl") == []


def test_each_python_is_asked_once_for_its_true_version(
    ask: Ask, home: Path, tmp_path: Path
) -> None:
    real = Path(os.path.realpath(shutil.which("python3", path=SYSTEM) or ""))
    if not real.is_file():
        pytest.skip("no python3 of the system")
    bin_ = tmp_path / "bin"
    assert any(
        Path(p.path).resolve() == real
        for p in facts_from(ask(PATH=tools(bin_, *TEN_TOOLS))).pythons
    )
    for name in ("python3", "python3.99"):
        (bin_ / name).symlink_to(real)
    executable(home / ".pyenv/versions/3.1.4/bin/python3", "echo broken; exit 1")
    pythons = facts_from(ask(PATH=str(bin_))).pythons
    assert all(python.name != "python3.99" for python in pythons)
    same = [python for python in pythons if Path(python.path).resolve() == real]
    assert [Path(python.path).parent for python in same] == [bin_]
    assert same[0].version.startswith(same[0].name.removeprefix("python") + ".")
    assert not any(".pyenv" in python.path for python in pythons)


def conda_root(folder: Path, name: str = "conda", version: str = "24.5.0") -> Path:
    executable(folder / "bin" / name, "sleep 5; echo asking is slow")
    (folder / "conda-meta").mkdir()
    (folder / f"conda-meta/{name}-{version}-py312_0.json").write_text("{}")
    return folder / "bin" / name


def test_conda_of_a_usual_root_comes_with_version_and_environments(ask: Ask, home: Path) -> None:
    tool = conda_root(home / "miniforge3")
    for name in ("torch", "my env"):
        (home / f"miniforge3/envs/{name}/conda-meta").mkdir(parents=True)
    (home / "miniforge3/envs/broken").mkdir()
    (home / "far/conda-meta").mkdir(parents=True)
    (home / "gpuws/envs/00aa11bb22cc33dd/conda-meta").mkdir(parents=True)
    (home / ".conda").mkdir()
    listed = [home / "far", home / "gone", home / "gpuws/envs/00aa11bb22cc33dd"]
    (home / ".conda/environments.txt").write_text("".join(f"{path}\n" for path in listed))
    started = time.monotonic()
    facts = facts_from(ask())
    assert time.monotonic() - started < 4, "the tool itself must not be asked"
    conda = facts.tool("conda")
    assert conda is not None and (conda.path, conda.version) == (str(tool), "24.5.0")
    envs = home / "miniforge3/envs"
    assert set(facts.environments) == {str(home / "far"), f"{envs}/torch", f"{envs}/my env"}


def test_tools_are_found_by_variables_and_in_our_own_folder(
    ask: Ask, home: Path, tmp_path: Path
) -> None:
    conda = conda_root(home / "hidden/one")
    mamba = executable(home / "hidden/micromamba", "")
    answer = ask(CONDA_EXE=str(conda), MAMBA_EXE=str(mamba))
    assert tool_paths(answer, "conda") == [str(conda)]
    assert tool_paths(answer, "micromamba") == [str(mamba)]
    ours = executable(home / "gpuws/tools/bin/micromamba", "")
    uv = executable(home / "gpuws/tools/bin/uv", "")
    answer = ask(PATH=tools(tmp_path / "few", *TEN_TOOLS))
    assert tool_paths(answer, "micromamba") == [str(ours)]
    assert tool_paths(answer, "uv") == [str(uv)]


NOISE = 'echo noise; echo "gpuws-nonsense" >&2; printf "\\033[2J"; cat'


def bash() -> str:
    return shell_of("bash")[0]


def test_conda_that_only_a_noisy_rc_file_knows_is_found(ask: Ask, home: Path) -> None:
    conda = conda_root(home / "hidden/conda")
    (home / ".bashrc").write_text(f"{NOISE}\nconda() {{ :; }}\nexport CONDA_EXE='{conda}'\n")
    assert tool_paths(ask(SHELL=bash()), "conda") == [str(conda)]
    (home / ".bashrc").write_text(f"PATH='{conda.parent}':$PATH\n{NOISE}\n")
    assert tool_paths(ask(SHELL=bash()), "conda") == [str(conda)]


def test_the_rc_file_is_left_alone_when_a_tool_is_there(ask: Ask, home: Path) -> None:
    (home / ".bashrc").write_text("echo read >~/was-read\n")
    executable(home / "micromamba/bin/micromamba", "")
    ask(SHELL=bash())
    assert not (home / "was-read").exists()


@pytest.mark.parametrize("rc", ["exit 3", "sleep 300", "trap '' TERM HUP; sleep 300; sleep 300"])
def test_an_rc_file_that_ends_or_hangs_costs_its_deadline(rc: str, ask: Ask, home: Path) -> None:
    (home / ".bashrc").write_text(f"{rc}\n")
    started = time.monotonic()
    facts = facts_from(ask(program=probe_with(RC=1), SHELL=bash()))
    assert time.monotonic() - started < 6
    assert facts.unanswered == ()
    assert facts.tool("tar") is not None


LOGINS = {
    "bash": (".bash_profile", "export PATH=$HOME/mine:$PATH"),
    "dash": (".profile", "PATH=$HOME/mine:$PATH; export PATH"),
    "zsh": (".zprofile", "export PATH=$HOME/mine:$PATH"),
    "fish": (".config/fish/config.fish", "set -gx PATH $HOME/mine $PATH"),
    "tcsh": (".tcshrc", "setenv PATH $HOME/mine:$PATH"),
}


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_shell_of_any_kind_lends_its_path(name: str, ask: Ask, home: Path) -> None:
    shell = shell_of(name)[0]
    file, line = LOGINS[name]
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(f"echo noise\n{line}\n")
    tool = executable(home / "mine/bzip2", "")
    executable(home / "micromamba/bin/micromamba", "")  # no reason to read an interactive rc
    assert tool_paths(ask("", "", "1", SHELL=shell), "bzip2") == [str(tool)]
    assert tool_paths(ask("", "", "0", SHELL=shell), "bzip2") != [str(tool)]


# --- LD_LIBRARY_PATH ------------------------------------------------------------------------------


def library(folder: Path, name: str = "libcudart.so.12") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    return str(folder)


@pytest.mark.parametrize("shell", SHELLS)
def test_folders_with_libraries_of_an_environment_are_told(
    shell: str, ask: Ask, home: Path, tmp_path: Path
) -> None:
    cuda, gcc = library(home / "my cuda/lib64"), library(home / "gcc", "libstdc++.so.6.0.30")
    driver = library(home / "driver", "libcuda.so.1")
    listed = f"{cuda}/::{driver}:relative:{home}/gone:{gcc}:{cuda}:{home}/x/../gcc"
    few = tools(tmp_path / "few", *TEN_TOOLS)
    for path in (SYSTEM, few):
        facts = facts_from(ask(shell=shell, PATH=path, LD_LIBRARY_PATH=listed))
        assert facts.shadowing == (cuda, gcc)
        assert facts.doubts == ()
    assert facts_from(ask(shell=shell)).shadowing == ()


def test_a_prologue_and_a_login_shell_have_the_last_word_on_it(ask: Ask, home: Path) -> None:
    first, last = library(home / "first"), library(home / "last", "libcudnn.so.9")
    said = ask("", f"export LD_LIBRARY_PATH='{last}'", LD_LIBRARY_PATH=first)
    assert said["shadowing"] == [last]
    assert "shadowing" not in ask("", "unset LD_LIBRARY_PATH", LD_LIBRARY_PATH=first)
    (home / ".profile").write_text(f"LD_LIBRARY_PATH='{last}'; export LD_LIBRARY_PATH\n")
    assert ask("", "", "1", SHELL=shell_of("dash")[0])["shadowing"] == [last]
    assert "shadowing" not in ask("", "", "0", SHELL=shell_of("dash")[0])


def test_what_an_interactive_rc_file_sets_is_not_what_a_session_gets(ask: Ask, home: Path) -> None:
    (home / ".bashrc").write_text(f"export LD_LIBRARY_PATH='{library(home / 'mine')}'\n")
    answer = ask(PATH=tools(home / "few", *TEN_TOOLS), SHELL=bash())
    assert "shadowing" not in answer


def test_a_list_without_end_is_not_walked(ask: Ask, home: Path) -> None:
    long = ":".join([library(home / "cuda"), *(f"/nowhere/{n}" for n in range(500))])
    assert "shadowing" not in ask(LD_LIBRARY_PATH=long)
    many = ":".join(library(home / f"c{n}") for n in range(12))
    assert len(facts_from(ask(LD_LIBRARY_PATH=many)).shadowing) == 8


# --- the prologue ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_tools_are_looked_for_after_the_prologue(shell: str, ask: Ask, home: Path) -> None:
    tool = executable(home / "mine/bzip2", "")
    answer = ask("", f"echo noise; cat\nexport PATH='{tool.parent}':$PATH", shell=shell)
    assert tool_paths(answer, "bzip2") == [str(tool)]
    assert "prologue_error" not in answer
    assert answer["path"][0].startswith(f"{tool.parent}:")


def test_module_is_defined_before_the_prologue_uses_it(ask: Ask, home: Path) -> None:
    tool = executable(home / "mods/conda24/bin/conda", "")
    (home / "lmod/init").mkdir(parents=True)
    text = f"module() {{ export PATH='{home}/mods'/$2/bin:$PATH; }}\n"
    (home / "lmod/init/sh").write_text(text)
    answer = ask("", "module load conda24", MODULESHOME=str(home / "lmod"))
    assert tool_paths(answer, "conda") == [str(tool)]


@pytest.mark.parametrize(
    ("prologue", "told"),
    [
        ("gpuws-no-such-command --x", "status 127: "),
        ("echo why >&2; false", "status 1: why"),
        ("exit 0", "it did not come to its end"),
        ("if true; then", "it did not come to its end: "),
        ("set -eu; echo $nothing", "it did not come to its end: "),
    ],
)
def test_a_prologue_that_fails_is_told_and_breaks_nothing(
    prologue: str, told: str, ask: Ask
) -> None:
    facts = facts_from(ask("", prologue))
    assert facts.prologue_error.startswith(told)
    assert facts.unanswered == ()
    assert facts.tool("tar") is not None


def test_the_text_of_the_prologue_is_in_no_command_line(ask: Ask, home: Path) -> None:
    secret = secrets.token_hex(16)
    look = "cat /proc/[0-9]*/cmdline >$HOME/seen 2>/dev/null; true"
    ask("", f"TOKEN={secret}\n{look}")
    seen = (home / "seen").read_bytes()
    assert b"/bin/sh" in seen
    assert secret.encode() not in seen


# --- settings -------------------------------------------------------------------------------------


def test_settings_are_named_without_their_values(ask: Ask, home: Path) -> None:
    (home / ".condarc").write_text("channels: []\n")
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text("")
    answer = ask(
        https_proxy="http://me:geheim@proxy:3128",
        NO_PROXY="localhost",
        PIP_INDEX_URL="https://me:geheim@index/simple",
        CONDA_CHANNELS="a",
        CONDA_PREFIX="/x",
        CONDA_SHLVL="1",
    )
    named = set(answer["setting"])
    assert {str(home / ".condarc"), str(home / ".config/pip/pip.conf")} <= named
    assert {"https_proxy", "NO_PROXY", "PIP_INDEX_URL", "CONDA_CHANNELS"} <= named
    assert not {"CONDA_PREFIX", "CONDA_SHLVL"} & named
    assert "geheim" not in str(answer)


def test_a_quota_is_told_where_the_host_has_one(ask: Ask, tmp_path: Path) -> None:
    table = (
        "Disk quotas for user mira (uid 1004):\n     Filesystem  blocks   quota   limit   grace\n"
        "      /dev/md0  1048576* 2097152 3145728  6days  100 0 0\n     nas:/home 5 0 0 1 0 0\n"
    )
    (tmp_path / "table").write_text(table)
    executable(tmp_path / "bin/quota", f"cat '{tmp_path}/table'")
    facts: HostFacts = facts_from(ask(PATH=before_system(tmp_path / "bin")))
    assert [(q.filesystem, q.used_mb, q.limit_mb) for q in facts.quotas] == [
        ("/dev/md0", 1024, 2048)
    ]


def test_tokens_are_told_only_to_who_asks_for_them(ask: Ask, home: Path) -> None:
    folder = home / "gpuws/workspaces/demo"
    folder.mkdir(parents=True)
    (folder / "workspace.json").write_text('{"schema":1,"name":"demo"}\n')
    (folder / "token").write_text("f00d\n")
    linked = home / "gpuws/workspaces/linked"
    linked.symlink_to(folder)
    assert "token" not in ask()
    assert ask("", "", "0", "1")["token"] == ["demo\tf00d"]


def test_the_tmux_that_was_brought_comes_first_and_is_no_environment(ask: Ask, home: Path) -> None:
    root, digest = home / "gpuws", "0123456789abcdef"
    executable(root / f"envs/{digest}/bin/tmux", "echo tmux 3.4")
    (root / "tools").mkdir()
    (root / "tools/tmux").symlink_to(f"../envs/{digest}")
    other = executable(home / "bin/tmux", "echo tmux 1.6").parent
    path = before_system(other)
    assert tool_paths(ask(PATH=path), "tmux") == [str(other / "tmux")]  # it is not complete
    (root / f"envs/{digest}/.gpuws-complete").write_text("{}\n")
    facts = facts_from(ask(PATH=path))
    assert facts.tool("tmux") == Tool("tmux", f"{root}/tools/tmux/bin/tmux", "3.4")
    assert facts.prefixes == ()


def test_why_no_tmux_could_be_brought_is_told_for_a_day(ask: Ask, home: Path) -> None:
    note = home / "gpuws/tools/tmux.missed"
    note.parent.mkdir(parents=True)
    note.write_text("no way out\n")
    assert facts_from(ask()).tmux_missed == "no way out"
    day_ago = time.time() - 86_500
    os.utime(note, (day_ago, day_ago))
    assert facts_from(ask()).tmux_missed == ""
