"""The rules of the house that no other tool holds."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gpuws
from gpuws.errors import EXIT_OF

PACKAGE = Path(gpuws.__file__).parent
TOP = Path(__file__).parents[2]

PURE = ("plan", "services")
PURE_MAY_IMPORT = {
    *("__future__", "dataclasses", "enum", "typing", "collections", "functools", "itertools"),
    *("re", "json", "shlex", "hashlib", "math", "types", "pathlib", "gpuws"),
    "packaging",  # versions and tags: it only thinks, too
}
FROM_PATHLIB = {"PurePosixPath"}
ACTS = {"open", "print", "input", "eval", "exec", "__import__", "now", "today", "time", "random"}
POSIX_ONLY = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")

SAID_ELSEWHERE: dict[str, str] = {}
"""Error codes that no line of src names, with the reason."""


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PACKAGE / folder).rglob("*.py"))]


def shell_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.sh"))


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


# --- decisions are pure ---------------------------------------------------------------------------


def impurities(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] not in PURE_MAY_IMPORT]
            found += [a.name for a in node.names if a.name == "pathlib"]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] not in PURE_MAY_IMPORT:
                found.append(module)
            if module == "pathlib":
                found += [a.name for a in node.names if a.name not in FROM_PATHLIB]
        elif isinstance(node, ast.Call) and _called(node) in ACTS:
            found.append(f"{_called(node)}()")
    return found


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


@pytest.mark.parametrize("path", python_files(*PURE), ids=named)
def test_plan_and_services_only_think(path: Path) -> None:
    assert impurities(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import socket", "socket"),
        ("from pathlib import Path", "Path"),
        ("open('x')", "open()"),
        ("clock.now()", "now()"),
        ("def f():\n    import os.path", "os.path"),
    ],
)
def test_the_purity_check_sees_what_acts(source: str, seen: str) -> None:
    assert impurities(source) == [seen]


# --- laptops run Windows too ----------------------------------------------------------------------


def test_no_module_needs_a_posix_only_module_to_be_imported() -> None:
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in python_files(".")
        if path.name != "check.py"  # runs on the host, by the new environment's own Python
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(POSIX_ONLY), *modules],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


IMPORT_ALL = """
import importlib, sys, threading, traceback
# what the standard library itself would try first is loaded before the modules go
import getpass, pathlib, shutil, subprocess, tarfile, tempfile, webbrowser
for gone in sys.argv[1].split(","):
    sys.modules[gone] = None
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc())
"""


# --- shell ----------------------------------------------------------------------------------------


def is_fragment(text: str) -> bool:
    """Only functions, to be put in front of a script that has the main."""
    return not re.search(r"^main\(\) \{", text, re.MULTILINE)


ENDS = {
    'main "$@" </dev/null',
    'main "$@" 3<&0 </dev/null',  # data follows the script: main alone reads it, on purpose
}


@pytest.mark.parametrize("path", shell_files(), ids=named)
def test_a_script_is_one_main_that_is_deaf_to_its_stdin(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if is_fragment(text):
        assert alone(text) == (0, "", ""), "a fragment acts only when its functions are called"
    else:
        assert [line for line in text.splitlines() if line.strip()][-1] in ENDS


def alone(text: str) -> tuple[int, str, str]:
    """Status and output of a shell that has nothing but this text, and no program to call."""
    done = subprocess.run(
        [shutil.which("sh") or "/bin/sh", "-eu", "-c", text],
        env={"PATH": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("text", ["echo hello", "have() { :; }\nls", "false", "$undefined"])
def test_the_fragment_check_sees_what_acts(text: str) -> None:
    assert alone(text) != (0, "", "")


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_every_script_is_read_by(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    wrong = [
        (named(path), done.stderr)
        for path in shell_files()
        if (done := _reads(shell, path)).returncode != 0
    ]
    assert shell_files()
    assert wrong == []


def _reads(shell: str, path: Path) -> subprocess.CompletedProcess[str]:
    options = ["--posix"] if shell == "bash" else []
    return subprocess.run([shell, *options, "-n", path], capture_output=True, text=True, timeout=10)


# --- errors ---------------------------------------------------------------------------------------


def test_every_error_code_is_raised_somewhere() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for path in [*python_files("."), *shell_files()]
        if path.name != "errors.py"
    ]
    said = set(re.findall(r"[a-z]+(?:-[a-z]+)*", "\n".join(texts)))
    unsaid = sorted(code for code in EXIT_OF if code not in said)
    assert unsaid == sorted(SAID_ELSEWHERE)


@pytest.mark.parametrize("path", shell_files(), ids=named)
def test_a_script_dies_only_with_codes_of_the_table(path: Path) -> None:
    used = re.findall(r"\bdie ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
    assert [code for code in used if code not in EXIT_OF] == []


@pytest.mark.parametrize("path", python_files("."), ids=named)
def test_python_raises_only_codes_of_the_table(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r'GpuwsError\(\s*"([^"]*)"', text)
    assert [code for code in used if code not in EXIT_OF] == []


# --- the repository -------------------------------------------------------------------------------


def machine_paths() -> list[str]:
    """Folders that exist here only: of this checkout, this Python and this person."""
    folders = [TOP, Path(sys.prefix), Path(sys.base_prefix), Path.home()]
    pip = [Path(word) for word in os.environ.get("PIP_FIND_LINKS", "").split()]
    return [str(f) for f in (*folders, *pip) if f.is_absolute() and len(f.parts) > 2]


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        timeout=30,
    )
    names = os.fsdecode(listed.stdout).split("\0")
    return [TOP / name for name in names if name and (TOP / name).is_file()]


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    files = repository_files()
    if not files:
        pytest.skip("not a git checkout")
    own = "|".join(re.escape(path) for path in machine_paths() if not path.startswith("/usr/"))
    pattern = re.compile(rf"(?<![\w.~$}}/-])(?:{own})(?![\w-])")
    found = [
        f"{path.relative_to(TOP)}: {match.group()}"
        for path in files
        for match in pattern.finditer(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert found == []


def test_no_script_gives_a_function_of_lib_sh_another_meaning() -> None:
    """It goes in front of every script, and calls its own functions."""
    pattern = re.compile(r"^([a-z_0-9]+)\(\)", re.MULTILINE)
    files = {path: set(pattern.findall(path.read_text())) for path in shell_files()}
    [lib] = (path for path in files if path.name == "lib.sh")
    again = {named(path): found & files[lib] for path, found in files.items() if path != lib}
    assert {name: found for name, found in again.items() if found} == {}
