"""Another machine with the same disk: namespaces of this one with a name and a boot id."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BOOT = "11111111-2222-3333-4444-555555555555"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_ENTER = (
    f'hostname "$0" && mount --bind "$1" {_BOOT_ID} && mount -t tmpfs tmpfs /var/tmp && '
    'shift && exec "$@"'
)  # sockets are of one machine: where the disk takes none, they lie in /var/tmp


@dataclass(frozen=True)
class Machine:
    """``within``: the words before a command that then runs on it."""

    node: str
    boot_id: str
    within: tuple[str, ...]


def machine(folder: Path, node: str = "gpu-b", boot_id: str = BOOT) -> Machine:
    """``folder``: for a file. Skips the test where such a one cannot be made."""
    file = folder / f"boot-{node}"
    file.write_text(f"{boot_id}\n")
    as_root = () if os.geteuid() == 0 else ("-r",)
    words = ("unshare", *as_root, "-m", "-u", "sh", "-c", _ENTER, node, str(file))
    try:
        done = subprocess.run([*words, "uname", "-n"], capture_output=True, text=True, timeout=10)
    except OSError as error:
        pytest.skip(f"needs unshare(1): {error}")
    if done.stdout.strip() != node:
        pytest.skip(f"another machine cannot be made here: {done.stderr.strip()}")
    return Machine(node, boot_id, words)


def this_boot() -> str:
    return Path(_BOOT_ID).read_text().strip()


def on_a_file_server(folder: Path, volume: Path) -> str:
    """A PATH on which stat(1) calls the filesystem of ``volume`` nfs."""
    folder.mkdir(exist_ok=True)
    program = folder / "stat"
    program.write_text(
        "#!/bin/sh\nPATH=${PATH#*:}\n"
        f"case $1:${{4:-}} in -f:{volume}*)\n"
        '  real=$(stat "$@")\n  case $real in *" "*) echo "${real% *} nfs" ;; *) echo nfs ;; esac\n'
        '  exit ;; esac\nexec stat "$@"\n'
    )
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
