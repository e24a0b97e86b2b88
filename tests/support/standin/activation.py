"""Shell text that activates a prefix, and commands that run inside it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def variables(prefix: Path) -> dict[str, str]:
    """conda-meta/state and etc/conda/env_vars.d, in upper case as both tools export them."""
    found: dict[str, object] = {}
    for path in sorted((prefix / "etc/conda/env_vars.d").glob("*.json")):
        found.update(json.loads(path.read_text()))
    state = prefix / "conda-meta" / "state"
    if state.is_file():
        found.update(json.loads(state.read_text()).get("env_vars", {}))
    return {key.upper(): str(value) for key, value in found.items()}


def posix(prefix: Path, label: str) -> str:
    """What `shell activate -s posix` and `shell.posix activate` print: exports, then activate.d."""
    old = os.environ.get("PATH", "")
    exports = {
        "PATH": f"{prefix}/bin{os.pathsep}{old}",
        "CONDA_PREFIX": str(prefix),
        "CONDA_SHLVL": "1",
        "CONDA_DEFAULT_ENV": label,
        "CONDA_PROMPT_MODIFIER": f"({label}) ",
        **variables(prefix),
    }
    lines = [f"PS1='({label}) '\"${{PS1:-}}\""]
    lines += [f"export {key}={shlex.quote(value)}" for key, value in exports.items()]
    scripts = sorted((prefix / "etc/conda/activate.d").glob("*.sh"))
    lines += [f". {shlex.quote(str(script))}" for script in scripts]
    return "\n".join(lines)


def run(
    prefix: Path,
    command: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the activated prefix; its own exit status, 127 if there is none."""
    wrapper = f'{posix(prefix, str(prefix))}\nexec "$@"'
    return subprocess.run(
        ["/bin/sh", "-c", wrapper, "sh", *command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdout=stdout,
        text=True,
    )
