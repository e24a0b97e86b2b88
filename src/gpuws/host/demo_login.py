"""What a login of the demo's server sees, and the end of all that it started."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

MARK = "GPUWS_DEMO"
"""Environment variable of every process that came in through the demo's server."""

_KEPT = ("LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_KEPT_PREFIXES = ("LC_", "PIP_", "UV_")
_NOT = ("CACHE_DIR", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON")
_SETTINGS = (
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    "Library/Application Support/pip/pip.conf",
    ".config/uv/uv.toml",
    ".netrc",
)


def login_environment(home: Path) -> dict[str, str]:
    """HOME is thrown away later, so caches stay inside it; index and proxy settings are kept."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name in _KEPT or name.lower() in _PROXIES or name.startswith(_KEPT_PREFIXES))
        and not name.endswith(_NOT)
        and "\n" not in value
    }
    return {**kept, "HOME": str(home), "PATH": _path()}


def _path() -> str:
    """The terminal's PATH without gpuws's own venv, with the Python it was made from at the end."""
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if sys.prefix != sys.base_prefix:
        words = [word for word in words if word != str(Path(sys.prefix, "bin"))]
    return os.pathsep.join([*filter(None, words), str(Path(sys.base_prefix, "bin"))])


def settings_into(home: Path) -> None:
    """Links to the user's own package index settings: the demo installs from where they do."""
    for name in _SETTINGS:
        theirs, link = Path.home() / name, home / name
        if theirs.is_file() and not link.exists() and home.absolute() != Path.home():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(theirs)


def user_name() -> str:
    """The login name, also where this uid has no entry in the user database."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return os.environ.get("USER") or "demo"


def end_marked(mark: str, patience: float = 3.0) -> None:
    """End what the logins left: TERM, then KILL. Only Linux shows environments (/proc)."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        end_processes(marked(mark), sign)
        deadline = time.monotonic() + patience
        while marked(mark):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def marked(mark: str) -> list[int]:
    """Process ids whose environment carries this mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[1-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in words and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def end_processes(pids: list[int], sign: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, sign)
        except (ProcessLookupError, PermissionError):
            continue
