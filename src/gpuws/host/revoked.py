"""RevokedHostKeys of ssh_config: a text file with a key a line, or a KRL of `ssh-keygen -k`.

As with ssh, a file that is named and cannot be read or understood refuses every host: whoever wrote
it down wants no key accepted unchecked.
"""

from __future__ import annotations

import base64
import binascii
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from gpuws.errors import GpuwsError
from gpuws.host import known_hosts

_DEADLINE = 10.0  # seconds
_KRL = b"SSHKRL\n\0"
_LARGEST = 32 << 20  # bytes of a text file


def refuse_listed(files: tuple[str, ...], name: str, blob: bytes, keys: Collection[bytes]) -> None:
    """Raises host-key-revoked when a file lists what ``name`` showed, or cannot tell.

    ``blob`` is the key or certificate; ``keys`` what must not be listed: the key, its authority.
    """
    for file in map(Path, files):
        try:
            with file.open("rb") as opened:
                begin = opened.read(len(_KRL))
                text = b"" if begin == _KRL else begin + opened.read(_LARGEST)
        except OSError as error:
            raise _cannot_tell(file, error.strerror or type(error).__name__) from None
        place = _in_krl(file, blob) if begin == _KRL else _in_text(file, text, keys)
        if place:
            raise _refused(f"the host key of {name} is revoked by {place}", _ASK)


def _in_text(file: Path, text: bytes, keys: Collection[bytes]) -> str:
    """The place of a key, "" where none is listed."""
    for number, line in enumerate(text.decode("utf-8", "replace").split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        listed = _key(words)
        if listed is None:
            raise _cannot_tell(file, f"line {number} is no public key")
        if listed in keys:
            return f"{file}:{number}"
    return ""


def _key(words: list[str]) -> bytes | None:
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        return None
    return blob if known_hosts.kind_of(blob) == words[0] else None


def _in_krl(file: Path, blob: bytes) -> str:
    """ssh-keygen is asked: a KRL may also name serial numbers, hashes and authorities, which it
    finds in a certificate."""
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        raise _cannot_tell(file, "it is a KRL, and there is no ssh-keygen to read it")
    with tempfile.TemporaryDirectory(prefix="gpuws-") as folder:
        key = Path(folder, "key.pub")
        encoded = base64.b64encode(blob).decode()
        key.write_text(f"{known_hosts.kind_of(blob)} {encoded}\n", encoding="ascii")
        code, said = _ask([keygen, "-Q", "-f", str(file), str(key)], file)
    if code != 0 and "REVOKED" not in said:
        raise _cannot_tell(
            file, said.strip().rpartition("\n")[2] or f"ssh-keygen ended with {code}"
        )
    return str(file) if code != 0 else ""


def _ask(command: list[str], file: Path) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_DEADLINE,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise _cannot_tell(file, "ssh-keygen gave no answer") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


_ASK = "do not connect; ask the host's administrator"


def _cannot_tell(file: Path, why: str) -> GpuwsError:
    return _refused(
        f"the host key cannot be checked against RevokedHostKeys {file}: {why}",
        "mend that file, or take RevokedHostKeys out of your ssh config (ssh refuses it too)",
    )


def _refused(message: str, hint: str) -> GpuwsError:
    return GpuwsError("host-key-revoked", message, hint=hint, stage="connect")
