"""Which project files a person has said yes to: remembered by path and content, on this laptop."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from gpuws import places
from gpuws.config.writing import replace_file
from gpuws.errors import GpuwsError

_SCHEMA = 1


@dataclass(frozen=True)
class Yes:
    """``sha256`` is of the path and the content: a changed or moved file is asked about again."""

    file: str  # absolute
    sha256: str
    since: float  # seconds since the epoch


class Trusted:
    """One small file of the state folder, replaced as a whole; a damaged one holds no yes."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or places.state() / "trusted.json"

    def all(self) -> tuple[Yes, ...]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            found = [Yes(e["file"], e["sha256"], float(e["since"])) for e in data["trusted"]]
        except (OSError, ValueError, KeyError, TypeError):
            return ()
        return tuple(found)

    def has(self, file: Path, text: str) -> bool:
        return _digest(file, text) in {each.sha256 for each in self.all()}

    def remember(self, file: Path, text: str) -> Yes:
        """Another content of the same file is forgotten. Raises GpuwsError usage."""
        yes = Yes(str(file.absolute()), _digest(file, text), time.time())
        self._write([yes, *(each for each in self.all() if each.file != yes.file)])
        return yes

    def forget(self, file: Path) -> bool:
        """Whether there was a yes. Raises GpuwsError usage."""
        known = self.all()
        kept = [each for each in known if each.file != str(file.absolute())]
        if len(kept) < len(known):
            self._write(kept)
        return len(kept) < len(known)

    def _write(self, every: list[Yes]) -> None:
        places.private(self._path.parent)
        text = json.dumps(
            {"schema": _SCHEMA, "trusted": [asdict(each) for each in every]}, indent=1
        )
        try:
            replace_file(self._path, text.encode(), private=True)
        except OSError as error:
            raise GpuwsError(
                "usage",
                f"the yes cannot be remembered: {self._path}: {error.strerror or error}",
                hint="set GPUWS_STATE_DIR to a folder that you can write",
            ) from error


def _digest(file: Path, text: str) -> str:
    return hashlib.sha256(f"{file.absolute()}\0{text}".encode()).hexdigest()
