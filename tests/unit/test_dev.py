"""dev.py: what it does before anything is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).parents[2]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", TOP / "dev.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, at work in a folder of its own."""
    module = load()
    venv = tmp_path / ".venv"
    bin_ = venv / module.BIN.name
    for name, value in {"TOP": tmp_path, "VENV": venv, "BIN": bin_}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "READY", venv / ".gpuws-ready")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'gpuws'\nversion = '0'\n")
    return module


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """-S: no package of anybody; -I: no setting of anybody."""
    command = [sys.executable, "-I", "-S", str(TOP / "dev.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_help_names_every_command_and_needs_nothing() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in load().COMMANDS:
        assert f"\n  {name} " in done.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    done = run("tset")
    assert done.returncode == 2
    assert "there is no command 'tset'" in done.stderr


def test_without_root_it_says_what_is_missing_and_goes_on(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "root", lambda: False)
    dev.system({"no-such-program": "its-package", "python3": "python3"})
    said = capsys.readouterr().err
    assert "missing on this machine: no-such-program" in said
    assert "apt install its-package\n" in said


def test_a_second_set_up_waits_for_the_first(dev: ModuleType) -> None:
    entered = threading.Event()

    def second() -> None:
        with dev.alone():
            entered.set()

    with dev.alone():
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(5)
    thread.join(5)


def test_set_up_is_skipped_until_pyproject_changes_or_more_is_asked(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.quiet([sys.executable, "-m", "venv", "--without-pip", dev.VENV])
    (dev.BIN / "gpuws").write_text("")
    asked: list[list[str]] = []
    monkeypatch.setattr(dev, "install", asked.append)
    monkeypatch.setattr(dev, "works", lambda: True)
    for extras in ({"test"}, {"test"}, set(), {"lint"}, {"test"}):
        dev.environment(extras)
    assert asked == [["-e", ".[test]"], ["-e", ".[lint,test]"]]
    (dev.TOP / "pyproject.toml").write_text("[project]\nname = 'gpuws'\nversion = '1'\n")
    dev.environment(set())
    assert asked[2:] == [["-e", ".[lint,test]"]]


def test_a_venv_whose_python_has_gone_is_made_again(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.BIN.mkdir(parents=True)
    (dev.BIN / "python").symlink_to(dev.TOP / "removed")
    dev.READY.write_text("x\n")
    monkeypatch.setattr(dev, "install", lambda _: None)
    dev.environment(set())
    assert dev.works()


def test_an_install_that_fails_leaves_no_mark_and_shows_the_last_lines(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dev.TOP / "pyproject.toml").write_text("this is not toml")
    dev.quiet([sys.executable, "-m", "venv", dev.VENV])
    with pytest.raises(dev.Stop, match="pip could not install"):
        dev.environment(set())
    assert not dev.READY.exists()


@pytest.mark.parametrize(
    ("failed", "second", "status", "runs"),
    [(1, 0, 0, 2), (1, 1, 1, 2), (5, 0, 0, 2), (6, 0, 1, 1)],
    ids=["passes alone", "fails alone too", "five", "six are no accident"],
)
def test_the_few_tests_that_failed_run_once_more_alone(
    dev: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failed: int,
    second: int,
    status: int,
    runs: int,
) -> None:
    calls: list[list[str]] = []

    def pytest_(arguments: list[str]) -> int:
        calls.append(arguments)
        [cache] = [each.partition("=")[2] for each in arguments if each.startswith("cache_dir=")]
        listed = Path(cache) / "v/cache/lastfailed"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(json.dumps({f"tests/test_{n}.py::test": True for n in range(failed)}))
        return 1 if len(calls) == 1 else second

    monkeypatch.setattr(dev, "prepare", lambda *_: None)
    monkeypatch.setattr(dev, "pytest", pytest_)
    assert dev.test(["-x"]) == status
    assert len(calls) == runs
    assert all("-x" in call for call in calls)
    said = capsys.readouterr()
    assert ("passed only at the second try" in said.out + said.err) == (runs == 2 and status == 0)
