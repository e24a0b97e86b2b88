"""The stand-ins for micromamba and conda do the work that they claim to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import micromamba
from tests.support.conda_channel import Channel, serve

PYTHON = f"python={sys.version_info[0]}.{sys.version_info[1]}"


class Tool:
    """A tool on a host of its own: HOME, root prefix and package cache below one folder."""

    def __init__(self, folder: Path, name: str = "micromamba") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.prefix = folder / "envs" / "e"
        self.calls = folder / "calls"
        self._exe = micromamba.install(folder / "opt" / "bin", name)

    def env(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "MAMBA_ROOT_PREFIX": str(self.folder / "root"),
            "CONDA_PKGS_DIRS": str(self.folder / "pkgs"),
            micromamba.CALLS: str(self.calls),
            **more,
        }

    def __call__(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._exe), *args],
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def create(self, channel: str, *specs: str, **more: str) -> subprocess.CompletedProcess[str]:
        where = ("-p", str(self.prefix), "-c", channel, "--override-channels")
        return self("create", "-y", *where, *specs, **more)

    def start(self, *args: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._exe), *args],
            env=self.env(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def yml(self, text: str, name: str = "environment.yml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def mm(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


@pytest.fixture
def conda(tmp_path: Path) -> Tool:
    return Tool(tmp_path, "conda")


def output_of(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# --- a prefix is real -----------------------------------------------------------------------------


def test_a_prefix_runs_its_own_python_with_the_packages_it_was_asked_for(
    mm: Tool, conda_channel: Channel
) -> None:
    made = mm.create(conda_channel.url, PYTHON, "pandas")
    assert made.returncode == 0, made.stderr
    code = "import json, sys, numpy, pandas; print(json.dumps([sys.prefix, pandas.__file__, "
    code += "numpy.__version__]))"
    prefix, file, numpy = json.loads(output_of(mm.prefix / "bin/python", "-c", code))
    assert prefix == str(mm.prefix)
    assert file.startswith(str(mm.prefix))
    assert numpy == "2.1.3"


def test_the_python_package_carries_the_true_version_of_its_interpreter(
    mm: Tool, conda_channel: Channel
) -> None:
    mm.create(conda_channel.url, PYTHON)
    told = output_of(mm.prefix / "bin/python", "-V").split()[1]
    record = next((mm.prefix / "conda-meta").glob("python-*.json"))
    assert json.loads(record.read_text())["version"] == told
    assert told in conda_channel.pythons


def test_entry_points_and_pip_of_a_prefix_run(mm: Tool, conda_channel: Channel) -> None:
    mm.create(conda_channel.url, PYTHON, "hello", "pip")
    assert output_of(mm.prefix / "bin/hello") == f"hello from {mm.prefix}\n"
    assert f"from {mm.prefix}" in output_of(mm.prefix / "bin/python", "-m", "pip", "--version")


def test_prefix_placeholders_are_replaced_in_text_and_binary_files(
    mm: Tool, conda_channel: Channel
) -> None:
    mm.create(conda_channel.url, "with-prefix")
    share = mm.prefix / "share/with-prefix"
    assert (share / "text.conf").read_text() == f"root={mm.prefix}/etc\n"
    data = (share / "data.bin").read_bytes()
    original = b"\x7fBIN\0" + f"{mm.prefix}/share/data".encode() + b"\0"
    assert data.startswith(original)
    assert data.endswith(b"\0tail\0")
    assert b"/opt/placeholder" not in data
    assert output_of(mm.prefix / "bin/with-prefix").strip() == str(mm.prefix)


def test_exact_builds_and_channel_pins_are_honoured(mm: Tool, conda_channel: Channel) -> None:
    spec = f"{conda_channel.url}::numpy=1.26.4=pyhtest_0"
    made = mm("create", "-y", "-p", str(mm.prefix), "-c", conda_channel.url, spec, PYTHON)
    assert made.returncode == 0, made.stderr
    assert "Linking numpy-1.26.4-pyhtest_0" in made.stdout.splitlines()


def test_the_transaction_is_told_line_by_line(mm: Tool, conda_channel: Channel) -> None:
    made = mm.create(conda_channel.url, PYTHON, "pandas")
    lines = made.stdout.splitlines()
    linked = [line.split()[1] for line in lines if line.startswith("Linking ")]
    assert sorted(linked) == sorted(p.stem for p in (mm.prefix / "conda-meta").glob("*.json"))
    starts, ends = lines.index("Transaction starting"), lines.index("Transaction finished")
    assert starts < lines.index(f"Linking {linked[0]}") < ends


def test_copies_are_made_on_request_and_hard_links_otherwise(
    mm: Tool, conda_channel: Channel
) -> None:
    file = "etc/conda/activate.d/activated.sh"
    mm.create(conda_channel.url, "activated")
    assert (mm.prefix / file).stat().st_nlink > 1
    mm.create(conda_channel.url, "activated", "--copy")
    assert (mm.prefix / file).stat().st_nlink == 1


# --- environment.yml ------------------------------------------------------------------------------


def test_variables_and_activation_scripts_reach_a_command(mm: Tool, conda_channel: Channel) -> None:
    file = mm.yml(
        f"channels: [{conda_channel.url}, nodefaults]\n"
        "dependencies: [activated]\nvariables: {data_dir: /x y}\n"
    )
    assert mm("create", "--no-rc", "-y", "-p", str(mm.prefix), "-f", file).returncode == 0
    show = ("sh", "-c", 'echo "$DATA_DIR|$ACTIVATED_BY"; exit 3')
    ran = mm("run", "-p", str(mm.prefix), *show)
    assert (ran.returncode, ran.stdout) == (3, f"/x y|{mm.prefix}\n")
    text = mm("shell", "activate", "-s", "posix", "-p", str(mm.prefix)).stdout
    by_hand = output_of("/bin/sh", "-c", text + '\necho "$DATA_DIR|$ACTIVATED_BY"')
    assert by_hand == ran.stdout


def test_a_pip_section_is_run_in_the_prefix_and_its_failure_is_a_failure(
    mm: Tool, conda_channel: Channel
) -> None:
    project = mm.folder / "mine"
    project.mkdir()
    (project / "nothing.txt").write_text("")
    text = f"channels: [{conda_channel.url}]\ndependencies:\n- {PYTHON}\n- pip:\n  - "
    good = mm.yml(text + "-r mine/nothing.txt\n", "good.yml")
    bad = mm.yml(text + "--no-index\n  - no-such-project-at-all\n", "bad.yml")
    made = mm("create", "-y", "-p", str(mm.prefix), "-f", good)
    assert made.returncode == 0, made.stderr
    failed = mm("create", "-y", "-p", str(mm.prefix), "-f", bad)
    assert failed.returncode == 1
    assert "pip failed to install packages" in failed.stderr
    assert (mm.prefix / "bin/python").exists()
    hidden = mm("create", "-y", "-p", str(mm.prefix), "-f", bad, GPUWS_TEST_FAULT="pip-rc0")
    assert hidden.returncode == 0
    assert not list(mm.folder.glob("mambaf*"))


@pytest.mark.parametrize("cuda", ["12.4", ""])
def test_the_cuda_build_is_taken_where_the_override_says_so(
    mm: Tool, conda_channel: Channel, cuda: str
) -> None:
    made = mm.create(conda_channel.url, "torchlet", CONDA_OVERRIDE_CUDA=cuda)
    assert made.returncode == 0, made.stderr
    expected = "cuda126_0" if cuda else "cpu_0"
    assert f"Linking torchlet-2.5.1-{expected}" in made.stdout.splitlines()


# --- explicit lists -------------------------------------------------------------------------------


def test_an_exported_list_makes_the_same_prefix_again(mm: Tool, conda_channel: Channel) -> None:
    mm.create(conda_channel.url, PYTHON, "scipy")
    shown = mm("list", "-p", str(mm.prefix), "--json").stdout
    lock = mm.yml(mm("env", "export", "-p", str(mm.prefix), "--explicit").stdout, "lock.txt")
    again = mm("create", "--no-rc", "-y", "-p", str(mm.prefix), "-f", lock)
    assert again.returncode == 0, again.stderr
    assert mm("list", "-p", str(mm.prefix), "--json").stdout == shown


@pytest.mark.parametrize("mark", ["#" + "0" * 32, "#sha256:" + "0" * 64, "#" + "0" * 64])
def test_a_wrong_hash_in_a_list_stops_the_install(
    mm: Tool, conda_channel: Channel, mark: str
) -> None:
    url = conda_channel.archive("shared").as_uri()
    lock = mm.yml(f"@EXPLICIT\n{url}{mark}\n", "lock.txt")
    made = mm("create", "-y", "-p", str(mm.prefix), "-f", lock)
    assert made.returncode == 1
    assert "Found incorrect downloads. Aborting" in made.stderr
    assert not (mm.prefix / "share").exists()


# --- refusals -------------------------------------------------------------------------------------


def test_a_package_whose_hash_is_wrong_in_the_index_is_refused(
    mm: Tool, conda_channel: Channel
) -> None:
    with serve(conda_channel) as served:
        made = mm.create(served.url, "wrong-hash")
    assert made.returncode == 1
    assert "Found incorrect downloads. Aborting" in made.stderr
    assert not list((mm.prefix / "conda-meta").glob("*.json"))


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (["no-such-thing"], ["no-such-thing", "does not exist (perhaps a typo"]),
        (["left", "right"], ["left", "right", "shared 1.*"]),
        (["cuda-only"], ["__cuda >=12", "missing on the system"]),
    ],
)
def test_what_cannot_be_solved_is_explained(
    mm: Tool, conda_channel: Channel, specs: list[str], words: list[str]
) -> None:
    made = mm.create(conda_channel.url, *specs, CONDA_OVERRIDE_CUDA="")
    assert made.returncode == 1
    assert "critical libmamba Could not solve for environment specs" in made.stderr
    assert [word for word in words if word not in made.stderr] == []
    assert not mm.prefix.exists()


def test_an_unreachable_channel_is_named(mm: Tool, conda_channel: Channel) -> None:
    with serve(conda_channel) as served:
        served.faults.missing.add("repodata")
        made = mm.create(served.url, "shared")
    assert made.returncode == 1
    assert "Subdir URL not loaded!" in made.stderr


def test_a_truncated_download_is_refused(mm: Tool, conda_channel: Channel) -> None:
    with serve(conda_channel) as served:
        served.faults.truncated.add("/shared-")
        made = mm.create(served.url, "shared")
    assert made.returncode == 1
    assert "Failed to download package from" in made.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["create", "--no-capture-output"],
        ["create", "--force"],
        ["env", "create", "--prune"],
        ["run", "--no-capture-output", "true"],
        ["list", "--frozen"],
        ["frobnicate"],
    ],
)
def test_flags_that_the_real_micromamba_does_not_have_are_refused(
    mm: Tool, args: list[str]
) -> None:
    refused = mm(*args)
    assert refused.returncode > 100
    assert "was not expected" in refused.stderr


def test_an_existing_prefix_is_deleted_under_yes_and_kept_on_a_closed_stdin(
    mm: Tool, conda_channel: Channel
) -> None:
    mm.create(conda_channel.url, "shared")
    mine = mm.prefix / "mine"
    mine.touch()
    where = ("-p", str(mm.prefix), "-c", conda_channel.url)
    assert mm("create", *where, "shared").returncode == 1
    assert mine.exists()
    assert mm("create", "-y", *where, "shared").returncode == 0
    assert not mine.exists()


def test_a_folder_that_is_no_environment_is_never_used(mm: Tool, conda_channel: Channel) -> None:
    mm.prefix.mkdir(parents=True)
    (mm.prefix / "thesis").touch()
    made = mm.create(conda_channel.url, "shared")
    assert made.returncode == 1
    assert [path.name for path in mm.prefix.iterdir()] == ["thesis"]


# --- what it says about itself --------------------------------------------------------------------


def test_version_info_and_call_log(mm: Tool) -> None:
    assert mm("--version").stdout == "2.8.1\n"
    info = json.loads(mm("info", "--json").stdout)
    assert info["base environment"] == str(mm.folder / "root")
    assert info["package cache"] == [str(mm.folder / "pkgs")]
    assert any(line.startswith("__glibc=") for line in info["virtual packages"])
    assert micromamba.calls(mm.calls) == [
        ["micromamba", "--version"],
        ["micromamba", "info", "--json"],
    ]


def test_a_plan_is_printed_as_json_and_nothing_is_made(mm: Tool, conda_channel: Channel) -> None:
    with serve(conda_channel) as served:
        made = mm.create(served.url, PYTHON, "pandas", "--dry-run", "--json")
        assert not [path for path in served.log if path.endswith((".conda", ".tar.bz2"))]
    plan = json.loads(made.stdout)
    assert {p["name"] for p in plan["actions"]["LINK"]} == {"python", "pandas", "numpy", "six"}
    assert plan["success"] is True
    assert not mm.prefix.exists()


def test_rc_files_count_unless_told_not_to(mm: Tool, conda_channel: Channel) -> None:
    (mm.home / ".condarc").write_text(f"channels: [{conda_channel.url}]\n")
    where = ("create", "-y", "-p", str(mm.prefix), "shared")
    assert mm(*where, "--no-rc").returncode == 1
    assert mm(*where).returncode == 0


def test_the_micromamba_of_the_channel_works_where_it_is_unpacked(
    mm: Tool, conda_channel: Channel
) -> None:
    mm.create(conda_channel.url, "micromamba")
    inner = mm.prefix / "bin/micromamba"
    assert output_of(inner, "--version") == "2.8.1\n"


# --- faults ---------------------------------------------------------------------------------------


def test_a_failure_while_linking_takes_back_what_was_linked(
    mm: Tool, conda_channel: Channel
) -> None:
    failed = mm.create(conda_channel.url, PYTHON, "pandas", GPUWS_TEST_FAULT="fail:3")
    assert failed.returncode == 1
    assert failed.stdout.count("Linking ") == 2
    assert "have been rolled back" in failed.stderr
    assert (mm.prefix / "conda-meta/history").exists()
    assert not list((mm.prefix / "conda-meta").glob("*.json"))


def test_a_kill_while_linking_leaves_a_half_made_prefix(mm: Tool, conda_channel: Channel) -> None:
    killed = mm.create(conda_channel.url, PYTHON, "pandas", GPUWS_TEST_FAULT="kill:3")
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout.count("Linking ") == 2
    assert (mm.prefix / "conda-meta/history").exists()


def test_a_hang_while_linking_lasts_until_it_is_ended(mm: Tool, conda_channel: Channel) -> None:
    args = ("create", "-y", "-p", str(mm.prefix), "-c", conda_channel.url, PYTHON, "six")
    hanging = mm.start(*args, GPUWS_TEST_FAULT="hang:2")
    try:
        assert hanging.stdout is not None
        assert any(line.startswith("Linking ") for line in hanging.stdout)
        with pytest.raises(subprocess.TimeoutExpired):
            hanging.wait(0.5)
    finally:
        hanging.terminate()
        hanging.communicate(timeout=10)
    assert hanging.returncode == -signal.SIGTERM


# --- conda ----------------------------------------------------------------------------------------


def _conda_yml(conda: Tool, channel: Channel, *dependencies: str) -> str:
    (conda.home / ".condarc").write_text(f"channels: [{channel.url}]\n")
    return conda.yml(f"dependencies: [{', '.join(dependencies)}]\nvariables: {{a_b: 1}}\n")


def test_conda_creates_lists_and_activates(conda: Tool, conda_channel: Channel) -> None:
    file = _conda_yml(conda, conda_channel, PYTHON, "hello")
    made = conda("env", "create", "-p", str(conda.prefix), "-f", file, "-y")
    assert made.returncode == 0, made.stderr
    assert "Executing transaction: ...working... done" in made.stdout.splitlines()
    assert "Linking" not in made.stdout
    assert output_of(conda.prefix / "bin/hello") == f"hello from {conda.prefix}\n"
    names = [p["name"] for p in json.loads(conda("list", "-p", str(conda.prefix), "--json").stdout)]
    assert names == ["hello", "python"]
    text = conda("shell.posix", "activate", str(conda.prefix)).stdout
    assert output_of("/bin/sh", "-c", text + "\necho $A_B $CONDA_PREFIX") == f"1 {conda.prefix}\n"


def test_conda_env_create_wipes_what_is_there_without_a_question(
    conda: Tool, conda_channel: Channel
) -> None:
    file = _conda_yml(conda, conda_channel, "shared")
    where = ("env", "create", "-p", str(conda.prefix), "-f", file)
    conda(*where)
    (conda.prefix / "mine").touch()
    assert conda(*where).returncode == 0
    assert not (conda.prefix / "mine").exists()


def test_conda_create_without_yes_makes_nothing_and_exits_0(
    conda: Tool, conda_channel: Channel
) -> None:
    made = conda("create", "-p", str(conda.prefix), "-c", conda_channel.url, "-O", "shared")
    assert made.returncode == 0
    assert "CondaSystemExit: Exiting." in made.stderr
    assert not conda.prefix.exists()


def test_conda_trusts_the_files_of_a_list_and_checks_downloads(
    conda: Tool, conda_channel: Channel
) -> None:
    archive = conda_channel.archive("shared")
    where = ("create", "-y", "-p", str(conda.prefix), "--file")
    by_file = conda.yml(f"@EXPLICIT\n{archive.as_uri()}#{'0' * 32}\n", "lock.txt")
    assert conda(*where, by_file).returncode == 0
    with serve(conda_channel) as served:
        url = f"{served.url}/noarch/{archive.name}"
        by_http = conda.yml(f"@EXPLICIT\n{url}#{'0' * 32}\n", "lock2.txt")
        refused = conda(*where, by_http)
    assert refused.returncode == 1
    assert "ChecksumMismatchError" in refused.stderr


@pytest.mark.parametrize(
    ("args", "word", "status"),
    [
        (["no-such-thing"], "PackagesNotFoundInChannelsError", 1),
        (["left", "right"], "RattlerUnsatisfiableError", 1),
        (["--file", "/nowhere.yml"], "EnvironmentFileNotFound", 1),
        (["--no-rc"], "conda: error:", 2),
    ],
)
def test_conda_names_its_errors(
    conda: Tool, conda_channel: Channel, args: list[str], word: str, status: int
) -> None:
    where = ("create", "-y", "-p", str(conda.prefix), "-c", conda_channel.url, "-O")
    refused = conda(*where, *args)
    assert (refused.returncode, word in refused.stderr) == (status, True), refused.stderr


def test_conda_knows_its_root_and_registers_only_if_allowed(
    conda: Tool, conda_channel: Channel
) -> None:
    assert conda("--version").stdout == "conda 26.7.2\n"
    assert conda("info", "--base").stdout.strip() == str(conda.folder / "opt")
    where = ("create", "-y", "-p", str(conda.prefix), "-c", conda_channel.url, "-O", "shared")
    registry = conda.home / ".conda/environments.txt"
    assert conda(*where, CONDA_REGISTER_ENVS="false").returncode == 0
    assert not registry.exists()
    assert conda(*where).returncode == 0
    assert registry.read_text() == f"{conda.prefix}\n"


def test_conda_asks_for_the_terms_of_default_channels_until_they_are_accepted(
    conda: Tool, conda_channel: Channel
) -> None:
    (conda.home / ".condarc").write_text(
        f"channels: [defaults]\ndefault_channels: [{conda_channel.url}]\n"
    )
    file = conda.yml("dependencies: [shared]\n")
    where = ("env", "create", "-p", str(conda.prefix), "-f", file)
    refused = conda(*where, GPUWS_TEST_FAULT="tos")
    assert refused.returncode == 1
    assert "CondaToSNonInteractiveError: Terms of Service have not been accepted" in refused.stderr
    accept = ("tos", "accept", "--override-channels", "--channel", conda_channel.url)
    assert conda(*accept).returncode == 2
    assert conda(*accept, GPUWS_TEST_FAULT="tos").returncode == 0
    assert conda(*where, GPUWS_TEST_FAULT="tos").returncode == 0


# --- the real JupyterLab --------------------------------------------------------------------------


@pytest.mark.endurance
def test_jupyterlab_comes_out_of_the_channel_and_runs(
    mm: Tool, conda_jupyter_channel: Channel
) -> None:
    made = mm.create(conda_jupyter_channel.url, PYTHON, "jupyterlab", "ipykernel", "pip")
    assert made.returncode == 0, made.stderr
    assert "No broken requirements" in output_of(mm.prefix / "bin/python", "-m", "pip", "check")
    shown = output_of(mm.prefix / "bin/jupyter", "--version")
    assert "jupyterlab" in shown
    assert "not installed" not in next(li for li in shown.splitlines() if "jupyterlab" in li)
