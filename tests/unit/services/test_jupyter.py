from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gpuws.plan.model import Launch
from gpuws.services import jupyter

FOLDER = "/home/me/gpuws/workspaces/demo"
INSTANCE = "0123456789abcdef0123456789abcdef"


def launch(*, socket: bool = True, prefix: str = "/opt/env", dir: str = "/data/demo") -> Launch:
    return jupyter.launch(
        workspace_folder=FOLDER,
        run="/run/w-12345678",
        prefix=prefix,
        base_url="/w-0123456789abcdef/",
        instance=INSTANCE,
        dir=dir,
        socket=socket,
    )


def file(made: Launch, name: str) -> str:
    return next(each.text for each in made.files if each.path.endswith(name))


class Section(SimpleNamespace):
    """Stands for a section of traitlets' Config: remembers what is set."""

    def __getattr__(self, name: str) -> Any:
        section = Section()
        setattr(self, name, section)
        return section


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Launch], Any]:
    """What our settings file sets, beside a user's folder ``tmp_path``/theirs."""
    paths = ModuleType("jupyter_core.paths")
    folders = [str(tmp_path / "ours"), str(tmp_path / "theirs")]
    paths.jupyter_config_path = lambda: folders  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jupyter_core", ModuleType("jupyter_core"))
    monkeypatch.setitem(sys.modules, "jupyter_core.paths", paths)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "token").write_text("secret\n")

    def read(made: Launch) -> Any:
        text = file(made, "jupyter_server_config.py")
        text = text.replace(f"{FOLDER}/token", str(tmp_path / "token"))
        config = Section()
        exec(compile(text, "settings", "exec"), {"get_config": lambda: config})
        return config

    return read


def test_a_unix_socket_comes_first_and_no_port_is_opened() -> None:
    argv = launch().argv
    assert "--ServerApp.sock=/run/w-12345678/jupyter.sock" in argv
    assert not [word for word in argv if "ip=" in word]


def test_without_sockets_the_system_chooses_a_loopback_port() -> None:
    argv = launch(socket=False).argv
    assert {"--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"} <= set(argv)
    assert not [word for word in argv if "sock" in word]


def test_the_token_is_named_by_its_file_only() -> None:
    made = launch()
    assert ("JUPYTER_TOKEN_FILE", f"{FOLDER}/token") in made.env
    assert "JUPYTER_TOKEN" in made.unset
    assert not [word for word in made.argv if "token" in word.lower()]


def test_our_settings_are_python_that_closes_what_a_user_may_have_opened(
    settings: Callable[[Launch], Any],
) -> None:
    found = settings(launch())
    server = found.ServerApp
    assert server.allow_remote_access is False
    assert server.disable_check_xsrf is False
    assert (server.allow_origin, server.allow_origin_pat, server.certfile) == ("", "", "")
    assert found.PasswordIdentityProvider.hashed_password == ""
    assert found.IdentityProvider.token == "secret"
    assert server.tornado_settings == {
        "compress_response": True,
        "headers": {jupyter.INSTANCE_HEADER: INSTANCE},
    }
    assert "NotebookApp" not in vars(found)


def test_the_old_names_are_closed_where_a_user_has_them(
    settings: Callable[[Launch], Any], tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs" / "jupyter_server_config.json"
    theirs.write_text('{"NotebookApp": {"allow_origin": "*"}}')
    found = settings(launch())
    assert found.NotebookApp.allow_origin == ""
    assert found.NotebookApp.tornado_settings == found.ServerApp.tornado_settings


def test_a_folder_with_quotes_and_unicode_stays_one_text(
    settings: Callable[[Launch], Any],
) -> None:
    odd = '/data/it\'s "ü" \\ {x}'
    assert settings(launch(dir=odd)).ServerApp.root_dir == odd


def test_labs_own_settings_file_says_the_same_as_the_servers() -> None:
    made = launch()
    assert file(made, "jupyter_lab_config.py") == file(made, "jupyter_server_config.py")


def test_the_default_kernel_is_the_environments_python() -> None:
    made = launch(prefix="/home/me/my envs/a")
    spec = json.loads(file(made, "kernels/python3/kernel.json"))
    assert spec["argv"][0] == "/home/me/my envs/a/bin/python"
    assert spec["env"] == {"PYTHONNOUSERSITE": "1"}
    assert "PYTHONPATH" in made.unset
    assert ("JUPYTER_PATH", f"{FOLDER}/jupyter/data") in made.env


def test_it_runs_in_a_folder_where_no_project_can_leave_a_module_or_a_setting() -> None:
    assert launch().cwd == f"{FOLDER}/jupyter/config"


def test_every_file_is_for_the_owner_alone() -> None:
    assert {each.mode for each in launch().files} == {0o600}


def test_every_setting_that_we_write_is_one_that_is_named_to_the_user() -> None:
    made = file(launch(), "jupyter_server_config.py")
    lines = [line.strip() for line in made.splitlines() if line.strip().startswith("c.")]
    ours = {line.split(" = ")[0].rpartition(".")[2] for line in lines}
    assert ours - {"open_browser", "allow_root"} <= set(jupyter.OPENING_SETTINGS)


# --- what the launch runs -------------------------------------------------------------------------

GRAMMAR = "print('made')\ndef is_valid_syntax(term, text): return [term, text]\nother = 7\n"


def started(folder: Path, lab: str, grammar: str | None = GRAMMAR) -> list[str]:
    """What our start file prints with a jupyterlab of these lines beside it, where a `node` is."""
    (folder / "jupyterlab").mkdir()
    (folder / "jupyterlab/__init__.py").touch()
    (folder / "jupyterlab/labapp.py").write_text(lab)
    if grammar is not None:
        (folder / "rfc3987_syntax").mkdir()
        (folder / "rfc3987_syntax/__init__.py").write_text(grammar)
    (folder / "bin").mkdir()
    (folder / "bin/node").touch(mode=0o755)
    (folder / "config").mkdir()
    start = folder / "config/jupyterlab"
    start.write_text(file(launch(), "config/jupyterlab"))
    env = {**os.environ, "PYTHONPATH": str(folder), "PATH": str(folder / "bin")}
    done = subprocess.run(
        [sys.executable, start, "--a", "b c"], env=env, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 4, done.stderr
    return done.stdout.splitlines()


def test_the_launch_runs_our_start_file_and_the_environments_jupyterlab_ends_it(
    tmp_path: Path,
) -> None:
    assert launch().argv[:2] == ("/opt/env/bin/python", f"{FOLDER}/jupyter/config/jupyterlab")
    lab = "import sys\ndef main(): print(sys.argv[1:]); return 4\n"
    assert started(tmp_path, lab, grammar=None) == ["['--a', 'b c']"]


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ("is_valid_syntax('iri', 'x')", "['iri', 'x']"),
        ("rfc3987_syntax.other", "7"),
        ("rfc3987_syntax.is_valid_syntax('iri', 'y')", "['iri', 'y']"),
    ],
)
def test_a_grammar_that_nobody_uses_is_not_made_and_one_that_is_used_is_made_once(
    tmp_path: Path, used: str, told: str
) -> None:
    lab = f"""
import rfc3987_syntax
from rfc3987_syntax import is_valid_syntax
def main():
    print("started")
    print({used})
    print({used})
    return 4
"""
    assert started(tmp_path, lab) == ["started", "made", told, told]


def test_no_node_is_found_while_jupyterlab_is_imported_and_it_is_again_afterwards(
    tmp_path: Path,
) -> None:
    lab = """
import shutil
print(shutil.which("node"))
def main():
    print(shutil.which("node"))
    return 4
"""
    assert started(tmp_path, lab) == ["None", f"{tmp_path}/bin/node"]


def test_a_grammar_that_is_missing_stays_missing(tmp_path: Path) -> None:
    lab = """
def main():
    try:
        import rfc3987_syntax
    except ImportError as error:
        print(error.name)
    return 4
"""
    assert started(tmp_path, lab, grammar=None) == ["rfc3987_syntax"]
