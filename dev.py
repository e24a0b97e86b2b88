#!/usr/bin/env python3
"""Sets everything up, then runs one thing. Works with any Python from 3.10 on, nothing else needed.

usage: python3 dev.py COMMAND [arguments]

  demo       gpuws demo: the whole journey against a private SSH server on this machine
  test       every test that takes less than 30 s; arguments go to pytest
  lint       ruff, mypy, shellcheck, import contracts
  endurance  the long tests
  bench      every benchmark under bench/ into docs/benchmarks.md, or only print the one named
  docs       write the generated pages again (the scripts under docs/)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parent
VENV = TOP / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
READY = VENV / ".gpuws-ready"  # what the venv was made from; written last
OLDEST = (3, 10)

# executable → Debian package
DEMO_NEEDS = {"ssh": "openssh-client", "sshd": "openssh-server", "tmux": "tmux"}
TEST_NEEDS = {
    **DEMO_NEEDS,
    "bash": "bash",
    "busybox": "busybox",
    "chromium": "chromium",
    "dash": "dash",
    "fish": "fish",
    "git": "git",
    "ip": "iproute2",
    "iptables": "iptables",
    "ps": "procps",
    "ss": "iproute2",
    "tcsh": "tcsh",
    "zsh": "zsh",
}
SAME = {"chromium": ("chromium-browser", "google-chrome", "google-chrome-stable")}
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin")
SOME_FAILED = 1  # pytest's exit status
AT_MOST_AGAIN = 5  # tests that failed; more than these are no accident
BROKEN_BY = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "VIRTUAL_ENV")


class Stop(Exception):
    """Something the person must do first; the text says what."""


def main(argv: list[str]) -> int:
    name, *rest = argv or ["help"]
    if name in ("help", "-h", "--help"):
        sys.stdout.write(__doc__ or "")
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"dev.py: there is no command {name!r}\n\n{__doc__}")
        return 2
    try:
        return COMMANDS[name](rest)
    except Stop as stop:
        sys.stderr.write(f"dev.py: {stop}\n")
        return 1
    except KeyboardInterrupt:
        return 130


# --- the commands ---------------------------------------------------------------------------------


def demo(rest: list[str]) -> int:
    prepare(set(), DEMO_NEEDS)
    return run([BIN / "gpuws", "demo", *rest])


def test(rest: list[str]) -> int:
    prepare({"test"}, TEST_NEEDS)
    with tempfile.TemporaryDirectory(prefix="gpuws-dev-") as cache:
        every = ["-o", f"cache_dir={cache}", *rest]
        status = pytest(["-n", str(workers()), "--dist=worksteal", *every])
        return pytest_alone(Path(cache), every) if status == SOME_FAILED else status


def pytest_alone(cache: Path, arguments: list[str]) -> int:
    """The few that failed once more, one at a time: on a busy machine a deadline says little."""
    listed = cache / "v/cache/lastfailed"
    failed = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else {}
    if not 1 <= len(failed) <= AT_MOST_AGAIN:
        return SOME_FAILED
    say(f"once more, one at a time: {', '.join(failed)}")
    os.environ.pop("GPUWS_RESULTS", None)  # of the whole run, not of these few
    status = pytest([*arguments, "--last-failed", "--last-failed-no-failures=none"])
    if status == 0:
        say(f"passed only at the second try (a fault until it is explained): {', '.join(failed)}")
    return status


def endurance(rest: list[str]) -> int:
    prepare({"test"}, TEST_NEEDS)
    return pytest(["-m", "endurance", "--timeout=3600", "-rA", *rest])


def lint(rest: list[str]) -> int:
    if rest:
        raise Stop("lint takes no arguments")
    prepare({"test", "lint"}, {})
    shellcheck = tool("shellcheck")
    steps = [
        [tool("ruff"), "check", "."],
        [tool("ruff"), "format", "--check", "."],
        [tool("mypy")],
        [shellcheck, "-s", "sh", *ours("*.sh")],
        [shellcheck, "-s", "bash", ".ci/run"],
        [tool("lint-imports"), "--no-logo"],
    ]
    failed = [" ".join([Path(step[0]).name, *step[1:2]]) for step in steps if run(step) != 0]
    if failed:
        say(f"lint failed: {', '.join(failed)}")
    return 1 if failed else 0


def bench(rest: list[str]) -> int:
    prepare({"test"}, TEST_NEEDS)
    named = bool(rest) and not rest[0].startswith("-")
    if named:
        return scripts("bench", rest)
    return run([BIN / "python", "-m", "bench._page", *rest])


def docs(rest: list[str]) -> int:
    prepare({"test"}, {})
    return scripts("docs", rest)


COMMANDS = {c.__name__: c for c in (demo, test, lint, endurance, bench, docs)}


def pytest(arguments: list[str]) -> int:
    return run([BIN / "python", "-m", "pytest", *arguments])


def workers() -> int:
    """Most tests wait for something: one more than there are cores, but never more than eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(8, (cores or 1) + 1)


def scripts(folder: str, rest: list[str]) -> int:
    """Run folder/NAME.py, or with no name all of them (a name with _ in front is a module)."""
    there = {path.stem: path for path in sorted((TOP / folder).glob("[!_]*.py"))}
    if rest and not rest[0].startswith("-") and rest[0] not in there:
        raise Stop(f"there is no {folder}/{rest[0]}.py; there are: {', '.join(there) or 'none'}")
    named = bool(rest) and rest[0] in there
    chosen = [there[rest[0]]] if named else list(there.values())
    arguments = rest[1:] if named else rest
    modules = [f"{folder}.{path.stem}" for path in chosen]
    return max([run([BIN / "python", "-m", each, *arguments]) for each in modules], default=0)


def ours(pattern: str) -> list[str]:
    """The project's own files: neither in the venv nor in a build folder."""
    skipped = {".venv", ".git", "build", "dist", "node_modules"}
    found = (path.relative_to(TOP) for path in TOP.rglob(pattern))
    return sorted(str(path) for path in found if not skipped & set(path.parts))


def tool(name: str) -> str:
    found = shutil.which(name, path=str(BIN)) or shutil.which(name)
    if not found:
        raise Stop(f"{name} was not installed into {VENV}; remove that folder and try again")
    return found


# --- what they need -------------------------------------------------------------------------------


def prepare(extras: set[str], needs: dict[str, str]) -> None:
    with alone():
        system(needs)
        environment(extras)


@contextmanager
def alone() -> Iterator[None]:
    """One set-up at a time in this folder. The lock ends with the process, however it ends."""
    name = hashlib.sha256(str(TOP).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else "me"
    path = Path(tempfile.gettempdir(), f"gpuws-dev-{user}-{name}.lock")
    with path.open("a") as lock:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(extras: set[str]) -> None:
    """Make .venv hold gpuws (editable) and these extras; nothing to do is the usual case."""
    made_from = hashlib.sha256((TOP / "pyproject.toml").read_bytes()).hexdigest()
    old, have = made()
    if old == made_from and extras <= have and (BIN / "gpuws").with_suffix(suffix()).exists():
        return
    wanted = sorted(extras | have)
    READY.unlink(missing_ok=True)
    if not works():
        say(f"making {VENV}")
        create()
    what = f".[{','.join(wanted)}]" if wanted else "."
    say(f"installing gpuws and what it needs into .venv (pip install -e '{what}')")
    install(["-e", what])
    READY.write_text("\n".join([made_from, *wanted]) + "\n", encoding="utf-8")


def made() -> tuple[str, set[str]]:
    """The pyproject.toml hash and the extras of a finished set-up that still works."""
    if not READY.is_file() or not works():
        return "", set()
    first, *rest = READY.read_text(encoding="utf-8").split() or [""]
    return first, set(rest)


def works() -> bool:
    python = (BIN / "python").with_suffix(suffix())
    if not python.exists():
        return False
    asked = [str(python), "-c", f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"]
    return subprocess.run(asked, capture_output=True, env=clean()).returncode == 0


def create() -> None:
    """A fresh .venv. One that does not work (its Python is gone) is replaced."""
    if VENV.exists():
        shutil.rmtree(VENV)
    made = quiet([sys.executable, "-m", "venv", VENV])
    if made.returncode != 0 and "ensurepip" in made.stdout:
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if not apt([version]):
            shutil.rmtree(VENV, ignore_errors=True)
            raise Stop(
                f"this Python cannot make a venv. On Debian or Ubuntu: apt install {version}"
            )
        shutil.rmtree(VENV, ignore_errors=True)
        made = quiet([sys.executable, "-m", "venv", VENV])
    if made.returncode != 0:
        raise Stop(f"cannot make {VENV}:\n{tail(made.stdout)}")


def install(arguments: list[str]) -> None:
    pip = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    done = quiet([*pip, "--disable-pip-version-check", *arguments])
    if done.returncode != 0:
        raise Stop(
            f"pip could not install what gpuws needs:\n{tail(done.stdout)}\n"
            "Is the package index reachable? 'pip config list' shows which one is asked."
        )


def system(needs: dict[str, str]) -> None:
    """As root on Debian: install what is missing. Anywhere else: say it and go on."""
    missing = {name: package for name, package in needs.items() if not found(name)}
    if missing and apt(sorted(set(missing.values()))):
        missing = {name: package for name, package in missing.items() if not found(name)}
    if missing:
        say(f"missing on this machine: {', '.join(missing)}; what needs them is left out")
        say(f"  Debian, Ubuntu: apt install {' '.join(sorted(set(missing.values())))}")
        say("  other systems: the packages of the same names (macOS: brew install tmux)")
    if root() and found("sshd") and "sshd" in needs and sys.platform == "linux":
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd started by root insists on it


def found(name: str) -> bool:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return any(shutil.which(each, path=path) for each in (name, *SAME.get(name, ())))


def root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def apt(packages: list[str]) -> bool:
    """Install Debian packages, as root where there is apt-get. False: not done."""
    if not (root() and shutil.which("apt-get") and Path("/etc/debian_version").exists()):
        return False
    say(f"installing with apt-get: {' '.join(packages)}")
    get = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    quiet([*get, "update"])  # a failure here shows in the next line
    with services_not_started(packages):
        keep = ["-o", "Dpkg::Options::=--force-confold"]
        done = quiet([*get, *keep, "install", "-y", "--no-install-recommends", *packages])
    if done.returncode != 0:
        say(f"apt-get could not do it:\n{tail(done.stdout)}")
    return done.returncode == 0


@contextmanager
def services_not_started(packages: list[str]) -> Iterator[None]:
    """Debian starts what it installs, but nobody asked for an SSH server on port 22."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)
        if "openssh-server" in packages and Path("/run/systemd/system").exists():
            quiet(["systemctl", "disable", "ssh.service", "ssh.socket"])
            say("openssh-server's own service is neither started nor enabled")


# --- small things ---------------------------------------------------------------------------------


def clean() -> dict[str, str]:
    """The environment without what would make pip or Python look elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in BROKEN_BY}
    return {**kept, "PIP_REQUIRE_VIRTUALENV": "0"}


def run(command: Sequence[str | Path]) -> int:
    """Run it in the foreground; Ctrl-C is the child's to answer."""
    child = subprocess.Popen([str(word) for word in command], cwd=TOP, env=clean())
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue


def quiet(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=TOP,
        env={**clean(), "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def tail(text: str, lines: int = 15) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:])


def suffix() -> str:
    return ".exe" if os.name == "nt" else ""


def say(text: str) -> None:
    sys.stderr.write(f"dev.py: {text}\n")
    sys.stderr.flush()


def newer() -> str | None:
    """A Python that is new enough, where the one that runs this is not (macOS ships 3.9)."""
    names = [f"python3.{minor}" for minor in range(14, OLDEST[1] - 1, -1)]
    return next(filter(None, map(shutil.which, names)), None)


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        better = newer()
        if not better:
            sys.exit(f"dev.py: needs Python 3.10 or newer; this is {sys.version.split()[0]}")
        os.execv(better, [better, *sys.argv])
    sys.exit(main(sys.argv[1:]))
