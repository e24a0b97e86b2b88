"""Writes docs/explanation/leaves-nothing.md from one real run: `python3 dev.py docs`.

up, the laptop side killed, attach, down; what the host holds is looked at from outside gpuws.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from tests.support.laptop import PIP_ONLY, Laptop  # noqa: E402
from tests.support.outside import Notebook, carriers, files  # noqa: E402
from tests.support.sshd import running_sshd  # noqa: E402

PAGE = TOP / "docs" / "explanation" / "leaves-nothing.md"


def listing(home: Path, nonce: str, port: int) -> str:
    """Processes by nonce, listening sockets, and files with inode and hash."""
    told = [f"$ processes whose environment carries GPUWS_SESSION={nonce or '(none yet)'}"]
    told += [f"{pid} {words}" for pid, words in carriers(nonce).items()] if nonce else []
    told.append("$ ss -xlp -tlp, lines of this HOME and of the local port")
    told += _sockets(home, port)
    told.append("$ files: path, inode, hash (environment and caches counted)")
    told += _files(home)
    return "\n".join(told).replace(str(home), "~")


def _sockets(home: Path, port: int) -> list[str]:
    found = []
    for kind in ("-xlpH", "-tlnpH"):
        done = subprocess.run(["ss", kind], capture_output=True, text=True, check=True)
        found += [
            " ".join(line.split())
            for line in done.stdout.splitlines()
            if str(home) in line or (port and f"127.0.0.1:{port} " in line)
        ]
    return found


def _files(home: Path) -> list[str]:
    every = files(home)
    bulk = ("gpuws/envs/", "gpuws/cache/", "gpuws/tools/", ".cache/", ".npm/", ".ipython/")
    shown = [f"{path}  {what}" for path, what in every.items() if not path.startswith(bulk)]
    return [*shown, f"and {len(every) - len(shown)} files of environments and caches"]


def run(folder: Path) -> str:
    home = folder / "h"
    home.mkdir()
    with running_sshd(folder / "s", home=home) as server:
        laptop = Laptop(folder / "l", server)
        laptop.write("environment.yml", PIP_ONLY)
        parts = [("before", listing(home, "", 0))]
        answer = laptop.ok("--json", "up", "gpubox", timeout=300).data()
        record = json.loads((home / "gpuws/workspaces/demo/workspace.json").read_text())
        nonce, port = record["instance"], answer["local_port"]
        book = Notebook(laptop.ok("url").out.strip())
        kernel = book.start_kernel()
        book.run(kernel, "x = 41")
        parts.append(("after `gpuws up` and a kernel with x = 41", listing(home, nonce, port)))
        for pid in laptop.keepers():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        parts.append(("after SIGKILL of the laptop side", listing(home, nonce, port)))
        laptop.ok("--json", "attach")
        again = Notebook(laptop.ok("url").out.strip())
        said = (
            f"same kernel: {again.kernels() == [kernel]}, x + 1 = {again.run(kernel, 'print(x+1)')}"
        )
        down = laptop.ok("down", "--yes")
        parts.append((f"after `gpuws attach` ({said.strip()})", "$ gpuws down --yes\n" + down.out))
        time.sleep(1.5)
        parts.append(("after `gpuws down`", listing(home, nonce, port)))
    return _page(parts, str(home))


def _page(parts: list[tuple[str, str]], home: str) -> str:
    head = (
        "# What `down` leaves\n\nWritten by `docs/leaves_nothing.py` from one real run on "
        f"{time.strftime('%Y-%m-%d')}, looked at from outside gpuws.\n"
    )
    body = [f"## {title}\n\n```\n{text.strip()}\n```\n" for title, text in parts]
    return "\n".join([head, *body]).replace(home, "~")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="g-", dir="/tmp") as folder:
        PAGE.write_text(run(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
