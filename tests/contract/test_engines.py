"""The three words of every engine, on the real thing, under every shell a host may have."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpuws.engines.bringing import place
from gpuws.engines.engine import ENGINES, SETSID, TMUX, Engine, engine_for, engine_named
from gpuws.errors import GpuwsError
from gpuws.host.script import script
from gpuws.plan.model import HostFacts, Tool
from gpuws.plan.ports import Script
from tests.support.local_host import LocalHost
from tests.support.sessions import carrying, gone

SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}
UNIT = "w-12345678"

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")


def there(name: str) -> tuple[str, ...]:
    words = SHELLS[name]
    found = shutil.which(words[0])
    if not found:
        pytest.skip(f"needs {words[0]}")
    return (found, *words[1:])


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "tmux" and not shutil.which("tmux"):
        pytest.skip("needs tmux")
    return ENGINES[request.param]


class Bench:
    """A run folder and a script that says what became of it."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.root = folder / "ro ot"
        self.run = folder / "r un"
        self.run.mkdir(mode=0o700)
        self.engine = engine
        self.file = folder / "it's a file.sh"
        self.file.write_text(
            '#!/bin/sh\necho "$$ $SHELL $*" >"$1"\necho out\necho err >&2\n'
            "trap 'exit 0' TERM HUP\nwhile :; do sleep 0.1; done\n"
        )
        self.file.chmod(0o700)
        self.log = folder / "lo'g"
        self.host = LocalHost(folder, env={"SHELL": "/bin/bash", "GPUWS_TEST": str(folder)})

    @property
    def place(self) -> tuple[str, str, str]:
        return str(self.root), str(self.run), UNIT

    def ask(self, words: str, *args: str, env: LocalHost | None = None) -> str:
        main = f'main() {{\nroot=$1\nshift\n{words}\n}}\nmain "$@" </dev/null\n'
        composed = script("gpuws.engines", *self.engine.fragments).text + main
        reply = (env or self.host).run(Script("test", composed), *self.place, *args)
        assert reply.status == 0, (reply.out, reply.err)
        return reply.out

    def start(self) -> int:
        self.ask('engine_start "$@"', str(self.file), str(self.log), "two words")
        until(lambda: self.log.exists() and self.log.read_text().endswith("\n"))
        return int(self.log.read_text().split()[0])

    def alive(self, unit: str = UNIT) -> bool:
        words = 'if engine_alive "$1" "$3"; then echo yes; else echo no; fi'
        return self.ask(words, unit).strip() == "yes"

    def stop(self) -> None:
        self.ask('engine_stop "$1" "$2"')


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def bench(short_tmp: Path, engine: Engine) -> Iterator[Bench]:
    made = Bench(short_tmp, engine)
    yield made
    made.stop()


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_it_starts_lives_and_ends(bench: Bench, shell: str) -> None:
    bench.host = LocalHost(bench.file.parent, shell=there(shell), env={"SHELL": "/bin/bash"})
    pid = bench.start()
    assert bench.alive()
    bench.stop()
    until(lambda: gone(pid))
    assert not bench.alive()
    assert list(bench.run.iterdir()) == []


def test_arguments_and_the_users_own_shell_arrive_as_they_were(bench: Bench) -> None:
    bench.start()
    assert bench.log.read_text().split(" ", 1)[1] == f"/bin/bash {bench.log} two words\n"


def test_another_units_name_that_begins_the_same_is_not_alive(bench: Bench) -> None:
    bench.start()
    assert not bench.alive("w-1234567")
    assert not bench.alive("w-123456789")


def test_stopping_twice_or_before_any_start_is_no_error(bench: Bench) -> None:
    bench.stop()
    bench.start()
    bench.stop()
    bench.stop()


def test_it_outlives_the_shell_that_started_it_and_holds_none_of_its_streams(bench: Bench) -> None:
    begun = time.monotonic()
    pid = bench.start()  # subprocess.run would wait for whoever holds stdout
    assert time.monotonic() - begun < 10
    assert not gone(pid)
    for number in (0, 1, 2):
        assert str(Path(f"/proc/{pid}/fd/{number}").readlink()) == "/dev/null"


def test_a_second_start_ends_the_first(bench: Bench) -> None:
    first = bench.start()
    bench.log.unlink()
    second = bench.start()
    until(lambda: gone(first))
    assert first != second
    assert bench.alive()


def test_an_end_of_its_own_is_seen(bench: Bench) -> None:
    pid = bench.start()
    os.kill(pid, 15)
    until(lambda: gone(pid))
    until(lambda: not bench.alive())


@pytest.mark.parametrize("record", ["1 {start} {boot}", "{pid} 1 {boot}", "{pid} {start} other"])
def test_a_number_that_somebody_else_got_is_not_ours(tmp_path: Path, record: str) -> None:
    bench = Bench(tmp_path, SETSID)
    other = subprocess.Popen(["sleep", "60"])
    try:
        stat = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        note = bench.run / f"{UNIT}.pid"
        note.write_text(record.format(pid=other.pid, start=stat[19], boot=boot))
        assert not bench.alive()
        bench.stop()
        assert other.poll() is None
        assert not note.exists()
    finally:
        other.kill()
        other.wait()


def test_without_setsid_the_fallback_still_detaches(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "sleep", "nohup", "mv", "chmod", "rm", "id", "cat", "env"):
        (tools / name).symlink_to(shutil.which(name) or name)
    bench = Bench(tmp_path, SETSID)
    bench.host = LocalHost(tmp_path, env={"PATH": str(tools)})
    pid = bench.start()
    assert bench.alive()
    bench.stop()
    until(lambda: gone(pid))


needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="needs tmux")


@needs_tmux
def test_a_cleaner_that_takes_the_socket_away_does_not_lose_the_session(short_tmp: Path) -> None:
    bench = Bench(short_tmp, TMUX)
    pid = bench.start()
    (bench.run / "tmux.sock").unlink()
    assert bench.alive()
    bench.stop()
    until(lambda: gone(pid))


@needs_tmux
def test_the_users_own_tmux_and_its_settings_are_untouched(short_tmp: Path) -> None:
    (short_tmp / ".tmux.conf").write_text(f"run-shell 'touch {short_tmp}/read'\n")
    theirs = {**os.environ, "HOME": str(short_tmp), "TMUX_TMPDIR": str(short_tmp)}
    theirs.pop("TMUX", None)
    tmux = ["tmux", "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-s", UNIT, "sleep 60"], env=theirs, check=True)
    try:
        bench = Bench(short_tmp, TMUX)
        bench.host = LocalHost(short_tmp, env={"TMUX_TMPDIR": str(short_tmp)})
        bench.start()
        bench.stop()
        listed = subprocess.run([*tmux, "ls"], env=theirs, capture_output=True, text=True)
        assert listed.stdout.startswith(UNIT)
        assert not (short_tmp / "read").exists()
    finally:
        subprocess.run([*tmux, "kill-server"], env=theirs, check=True)


@needs_tmux
def test_what_tmux_keeps_for_life_has_no_login_and_no_caller_in_it(short_tmp: Path) -> None:
    bench = Bench(short_tmp, TMUX)
    login = {"SSH_AUTH_SOCK": "/x", "SSH_CONNECTION": "1 2 3 4", "TMUX": "/a,1,0", "MARK": "m-1"}
    bench.host = LocalHost(short_tmp, env=login)
    bench.start()
    server = int((bench.run / "tmux.pid").read_text().split()[0])
    kept = Path(f"/proc/{server}/environ").read_bytes()
    assert b"MARK=m-1" in kept  # the host's own settings stay
    assert b"SSH_" not in kept
    assert b"/a,1,0" not in kept
    bench.stop()
    until(lambda: not carrying("MARK=m-1"))


@needs_tmux
def test_tmux_that_does_not_start_says_why(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TMUX)
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "tmux").write_text("#!/bin/sh\necho no terminal database >&2\nexit 1\n")
    (broken / "tmux").chmod(0o755)
    bench.host = LocalHost(tmp_path, env={"PATH": f"{broken}:{os.environ['PATH']}"})
    main = 'main() { root=$1 && shift && engine_start "$@"; }\nmain "$@" </dev/null\n'
    program = Script("test", script("gpuws.engines", *TMUX.fragments).text + main)
    reply = bench.host.run(program, *bench.place, str(bench.file))
    assert "die\tno-engine\ttmux does not start: no terminal database" in reply.out


@needs_tmux
@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_tmux_that_was_brought_is_the_one_for_everything(short_tmp: Path, shell: str) -> None:
    bench = Bench(short_tmp, TMUX)
    prefix = bench.root / "envs/0123456789abcdef"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("tmux") or "", prefix / "bin/tmux")
    broken = short_tmp / "bin"
    broken.mkdir()
    (broken / "tmux").write_text("#!/bin/sh\necho tmux 1.6\nexit 1\n")
    (broken / "tmux").chmod(0o755)
    path = f"{broken}:{os.environ['PATH']}"
    bench.host = LocalHost(short_tmp, shell=there(shell), env={"PATH": path})
    (prefix / ".gpuws-complete").touch()
    tool = place(bench.host, str(bench.root), prefix.name)
    assert tool.version == subprocess.check_output(["tmux", "-V"], text=True).split()[1]
    assert place(bench.host, str(bench.root), prefix.name) == tool
    pid = bench.start()
    server = (bench.run / "tmux.pid").read_text().split()[0]
    assert Path(f"/proc/{server}/exe").readlink() == prefix / "bin/tmux"
    assert bench.alive()
    bench.stop()
    until(lambda: gone(pid))


def test_a_tmux_that_does_not_run_there_is_not_taken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, TMUX)
    prefix = bench.root / "envs/0123456789abcdef"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/tmux").write_text("#!/bin/sh\necho no libevent >&2\nexit 127\n")
    (prefix / "bin/tmux").chmod(0o755)
    with pytest.raises(GpuwsError, match="does not run on the host: no libevent"):
        place(bench.host, str(bench.root), prefix.name)
    assert not (bench.root / "tools").exists()


def test_the_record_that_engine_and_session_both_need_is_sent_once() -> None:
    composed = script("gpuws.engines", *TMUX.fragments, "record.sh", "look.sh", "start.sh")
    assert composed.text.count("look_process() {") == 1


def facts(*tools: Tool) -> HostFacts:
    return HostFacts(
        *(
            "Linux",
            "x86_64",
            "me",
            1000,
            "/home/me",
            "/bin/sh",
            "node",
            "boot",
            0,
            "/home/me/gpuws",
        ),
        *(True, "ext2/ext3", 1000),
        tools=tools,
    )


@pytest.mark.parametrize(
    ("version", "chosen"),
    [("3.3a", TMUX), ("1.8", TMUX), ("1.6", SETSID), ("next-3.6", TMUX), ("", TMUX)],
)
def test_tmux_is_chosen_where_it_can_be_used(version: str, chosen: Engine) -> None:
    assert engine_for(facts(Tool("tmux", "/usr/bin/tmux", version))) == chosen


def test_without_tmux_a_detached_process_is_the_engine() -> None:
    assert engine_for(facts()) == SETSID


def test_an_engine_of_a_newer_gpuws_is_named() -> None:
    with pytest.raises(GpuwsError, match="slurm") as caught:
        engine_named("slurm")
    assert caught.value.code == "newer-workspace"
