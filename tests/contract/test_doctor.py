"""`gpuws doctor` and what it sees of a host: real shells, real disks, real servers, few tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpuws.host.probing import doctor_script
from gpuws.host.script import fields
from gpuws.plan.doctor.seen import seen_from
from gpuws.plan.model import HostEntry
from gpuws.plan.ports import Script
from tests.support.doctoring import Findings, Outside, of_host, outside, snapshot
from tests.support.jupyter_env import jupyter_env
from tests.support.lab import tools_without
from tests.support.local_host import LocalHost
from tests.support.shells import SHELLS, shell
from tests.support.small_disk import small_disk

__all__ = ["jupyter_env", "shell"]

SYSTEM = "/usr/local/bin:/usr/bin:/bin"
Doctor = Callable[..., Findings]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside(tmp_path_factory.mktemp("outside")) as made:
        yield made


@pytest.fixture
def home(short_tmp: Path) -> Path:
    folder = short_tmp / "h"
    folder.mkdir(0o700)
    (short_tmp / "t").mkdir()
    return folder


@pytest.fixture
def doctor(home: Path, out: Outside) -> Doctor:
    """Of this machine with another HOME; ``env``: more variables of the host's logins."""

    def run(
        *,
        shell: tuple[str, ...] = ("/bin/sh",),
        entry: HostEntry | None = None,
        now: Callable[[], float] = time.time,
        **env: str,
    ) -> Findings:
        plain = {"PATH": SYSTEM, "SHELL": "/bin/sh", "TMPDIR": str(home.parent / "t")}
        host = LocalHost(home, shell=shell, env={**plain, **env})
        return of_host(host, entry or out.entry, now)

    return run


def executable(path: Path, text: str, by: str = "#!/bin/sh") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{by}\n{text}\n")
    path.chmod(0o755)
    return path


# --- a host without a fault -----------------------------------------------------------------------


def test_every_shell_is_asked_the_same_and_finds_no_problem(
    shell: tuple[str, ...], doctor: Doctor
) -> None:
    found = doctor(shell=shell)
    usual = {"no-gpu", "root-login", "bad-tmp", "few-inodes", "quota", "no-strict-kex"}
    unknown = {"password-login", "socket-forwarding-refused", "jupyter-open"}
    assert found.exit == 0
    assert set(found.not_fine()) <= usual | unknown | {"old-driver", "disk-full", "network-home"}
    assert found.verdict("slow-answers") == "ok"
    assert found.verdict("channel-unreachable") == found.verdict("hub-unreachable") == "ok"


# --- disks ----------------------------------------------------------------------------------------


def test_a_full_disk_is_a_problem_and_a_small_one_a_warning(doctor: Doctor, home: Path) -> None:
    with small_disk(home / "gpuws", "size=8m"):
        assert doctor().verdict("disk-full") == "warning"
        fill(home / "gpuws")
        found = doctor()
        assert (found.verdict("disk-full"), found.exit) == ("problem", 7)
        assert str(home / "gpuws") in found["disk-full"].seen


def fill(folder: Path) -> None:
    with (folder / "all").open("wb", buffering=0) as file:
        try:
            while file.write(b"0" * 4096):
                pass
        except OSError:
            return


def test_a_disk_without_inodes_is_a_problem(doctor: Doctor, home: Path) -> None:
    with small_disk(home / "gpuws", "size=8g,nr_inodes=4"):
        assert doctor().verdict("few-inodes") == "warning"
        for number in range(3):
            (home / "gpuws" / str(number)).touch()
        found = doctor()
        assert (found.verdict("few-inodes"), found["few-inodes"].id) == ("problem", "disk-full")
        assert found.verdict("disk-full") == "ok"


@pytest.mark.parametrize(
    ("options", "seen"),
    [("size=1g,noexec", "noexec"), ("size=1m", "only 1 MB"), ("size=1g", "")],
)
def test_a_tmp_that_builds_cannot_use(options: str, seen: str, doctor: Doctor, home: Path) -> None:
    place = home.parent / "small"
    with small_disk(place, options):
        found = doctor(TMPDIR=str(place))
        assert found.verdict("bad-tmp") == ("warning" if seen else "ok")
        assert seen in found["bad-tmp"].seen


def test_a_root_that_is_a_link_is_a_problem(doctor: Doctor, home: Path) -> None:
    (home / "gpuws").symlink_to(home.parent)
    found = doctor()
    assert (found["no-root-folder"].id, found.exit) == ("root-not-private", 7)


def test_a_cache_of_its_own_is_looked_at(doctor: Doctor, home: Path, out: Outside) -> None:
    with small_disk(home / "cache", "size=64k"):
        entry = replace(out.entry, cache_dir="~/cache")
        assert str(home / "cache") in doctor(entry=entry)["disk-full"].seen


# --- tools, clock, prologue -----------------------------------------------------------------------


def test_a_host_without_tmux(doctor: Doctor, home: Path) -> None:
    assert doctor().verdict("no-engine") == "ok"
    assert doctor(PATH=tools_without(home.parent / "bin", "tmux")).verdict("no-engine") == "advice"


@pytest.mark.parametrize(("off", "verdict"), [(-3600, "warning"), (200_000, "problem"), (5, "ok")])
def test_a_clock_that_is_wrong(off: int, verdict: str, doctor: Doctor, home: Path) -> None:
    date = shutil.which("date", path=SYSTEM)
    executable(home.parent / "b" / "date", f'exec {date} -d "{off} seconds" "$@"')
    found = doctor(PATH=f"{home.parent / 'b'}:{SYSTEM}")
    assert found.verdict("wrong-clock") == verdict


def test_a_prologue_that_fails(doctor: Doctor, out: Outside) -> None:
    found = doctor(entry=replace(out.entry, prologue=("module_that_is_not_there load x",)))
    assert found.verdict("broken-prologue") == "warning"


def test_cards_and_a_driver_that_is_too_old_for_them(doctor: Doctor, home: Path) -> None:
    executable(
        home.parent / "b" / "nvidia-smi",
        'case $1 in --query-gpu=*) echo "0, GPU-8a1c5f52-6f0e-4b9a-9c0d-3f8e2a7b1c4d, NVIDIA H100, '
        '81559, 0, 0" ;; --query*) ;; *) echo "Driver Version: 440.33  CUDA Version: 10.2" ;; esac',
    )
    found = doctor(PATH=f"{home.parent / 'b'}:{SYSTEM}")
    assert found["no-gpu"].seen == "1 × NVIDIA H100"
    assert found.verdict("no-gpu") == "ok"
    assert found.verdict("old-driver") == "warning"
    executable(home.parent / "b" / "nvidia-smi", "echo NVML: driver mismatch >&2; exit 18")
    found = doctor(PATH=f"{home.parent / 'b'}:{SYSTEM}")
    assert (found.verdict("no-gpu"), found.exit) == ("warning", 0)


def test_a_login_node_of_slurm_is_a_problem(doctor: Doctor, home: Path) -> None:
    path = tools_without(home.parent / "bin", "nvidia-smi")
    executable(home.parent / "b" / "sbatch", "exit 1")
    found = doctor(PATH=f"{home.parent / 'b'}:{path}")
    assert (found["no-gpu"].id, found.exit) == ("login-node", 7)


def test_a_folder_that_hangs_silences_the_folders_alone(home: Path) -> None:
    executable(home.parent / "b" / "stat", "exec sleep 30")
    whole = doctor_script()
    assert "PATIENCE=9" in whole.text
    program = Script(whole.name, whole.text.replace("PATIENCE=9", "PATIENCE=1"))
    host = LocalHost(home, env={"PATH": f"{home.parent / 'b'}:{SYSTEM}"})
    begun = time.monotonic()
    seen = seen_from(fields(host.run(program, f"{home}/gpuws", "", "")))
    assert time.monotonic() - begun < 8
    assert seen.unanswered == ("folders",)


# --- the way out ----------------------------------------------------------------------------------


def test_a_host_that_reaches_nothing(doctor: Doctor, out: Outside) -> None:
    found = doctor(entry=out.nowhere)
    verdicts = [found.verdict(f"{kind}-unreachable") for kind in ("channel", "index", "hub")]
    assert (verdicts, found.exit) == (["problem", "warning", "advice"], 8)
    assert "127.0.0.1" in found["channel-unreachable"].seen


def test_a_portal_that_answers_every_question_is_no_way_out(doctor: Doctor, out: Outside) -> None:
    out.served.faults.portal = True
    try:
        found = doctor()
    finally:
        out.served.faults.portal = False
    assert found.verdict("channel-unreachable") == "problem"
    assert found.verdict("hub-unreachable") == "advice"


def test_a_proxy_of_the_prologue_is_the_way_out(doctor: Doctor, out: Outside) -> None:
    """Nobody listens where they are named: only the proxy has them."""
    server = out.served.url.removesuffix("/channel")
    (gone,) = out.nowhere.channels
    entry = replace(out.entry, channels=(f"{gone}/channel/c",), pip_index=f"{gone}/channel/simple")
    assert doctor(entry=entry).verdict("channel-unreachable") == "problem"
    through = replace(entry, prologue=(f"export http_proxy={server}",))
    assert doctor(entry=through).verdict("channel-unreachable") == "ok"
    assert (
        doctor(entry=replace(entry, env=(("http_proxy", server),)))["index-unreachable"].verdict
        == "ok"
    )


# --- Jupyter servers of the user's own ------------------------------------------------------------

SERVERS = """\
ip link set lo up
{env}/bin/jupyter-server --no-browser --allow-root --ip=0.0.0.0 --port=8899 >/dev/null 2>&1 &
one=$!
"$(dirname "$0")/jupyter-lab" 8898 --IdentityProvider.token= &
two=$!
"$(dirname "$0")/jupyter-lab" 8897 --IdentityProvider.token= --ServerApp.password=x &
three=$!
for _ in $(seq 150); do
  [ "$(grep -c ':22C[123] .* 0A ' /proc/net/tcp)" -lt 3 ] || break
  sleep 0.1
done
/bin/sh "$@"
kill -9 "$one" "$two" "$three"
"""


LISTENS = """\
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(60)
"""


def test_jupyters_that_others_could_use_are_told(home: Path, jupyter_env: Path) -> None:
    """In a network of their own, where they are open to nobody. One is real, the others listen."""
    alone = ("unshare", "-rn")
    if subprocess.run([*alone, "ip", "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("needs a network namespace")
    text = SERVERS.replace("{env}", str(jupyter_env))
    program = executable(home.parent / "b" / "beside-servers", text)
    executable(home.parent / "b" / "jupyter-lab", LISTENS, f"#!{sys.executable}")
    host = LocalHost(home, shell=(*alone, str(program)), env={"PATH": SYSTEM})
    seen = seen_from(fields(host.run(doctor_script(), f"{home}/gpuws", "", "")))
    told = {(each.port, each.reach, each.open) for each in seen.servers}
    assert told == {(8899, "every", False), (8898, "loopback", True), (8897, "loopback", False)}


def test_a_jupyter_server_with_known_holes_is_named(
    doctor: Doctor, home: Path, jupyter_env: Path
) -> None:
    """As the environment of conda's base, where it lies for everybody."""
    executable(home / "miniforge3" / "bin" / "conda", "exit 1")
    lib = home / "miniforge3" / "lib"
    lib.symlink_to(jupyter_env / "lib")
    assert doctor().verdict("jupyter-holes") == "ok"
    lib.unlink()
    (lib / "python3.11/site-packages/jupyter_server-2.17.0.dist-info").mkdir(parents=True)
    found = doctor()["jupyter-holes"]
    assert found.verdict == "warning"
    assert "CVE-2026-40110" in found.seen and "CVE-2026-44727" in found.seen


# --- nothing is written ---------------------------------------------------------------------------


def test_the_snapshot_sees_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = snapshot(tmp_path)
    assert snapshot(tmp_path) == before
    (tmp_path / "a").write_text("2")
    changed = snapshot(tmp_path)
    (tmp_path / "b").touch()
    (tmp_path / "b").unlink()
    assert before != changed != snapshot(tmp_path)


@pytest.mark.parametrize(
    ("kind", "fetches"), [("dash", "curl"), ("bash", "wget"), ("busybox", "python3")]
)
def test_nothing_is_written_on_the_host(
    kind: str, fetches: str, doctor: Doctor, home: Path, out: Outside
) -> None:
    """Row 145. Whatever fetches, whichever shell: the home, a root in use and its /tmp."""
    for name in ("gpuws/workspaces/w", "gpuws/envs", "gpuws/run", ".cache", ".conda"):
        (home / name).mkdir(parents=True, mode=0o700)
    (home / "gpuws/workspaces/w/workspace.json").write_text('{"name": "w"}\n')
    others = {"curl", "wget", "python3"} - {fetches}
    path = tools_without(home.parent / "bin", *others)
    entry = replace(out.entry, prologue=("export PROLOGUE=1",), login_env=True)
    before = snapshot(home, home.parent / "t")
    found = doctor(shell=SHELLS[kind], entry=entry, PATH=path)
    assert snapshot(home, home.parent / "t") == before
    assert found.verdict("channel-unreachable") == "ok"
