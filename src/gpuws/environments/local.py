"""Code of the laptop that an environment is built from: sent before the build, when it lacks."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from gpuws.config import code_files
from gpuws.config.code_files import CodeFile
from gpuws.environments.order import BuildOrder
from gpuws.errors import GpuwsError
from gpuws.host.script import fields, script
from gpuws.plan.local import archive_place, copy_in_build
from gpuws.plan.model import LocalCode
from gpuws.plan.ports import Host, Progress

_PACKAGE = "gpuws.environments"
_EARLIEST = 315_532_800  # 1980-01-01: a wheel is a zip, which knows no time before


def bring(host: Host, order: BuildOrder, progress: Progress) -> None:
    """Everything at the places that the order's lines name. An editable's folder that has files
    already is left as it is.

    Raises environment-file-invalid, local-code-differs, wrong-hash, and what an upload raises.
    """
    if not order.spec.local:
        return
    found = _ask(host, order, "look")
    for number, code in _numbered(order):
        if number in found.get("differs", ()):
            raise _differs(host, code)
        if number in found.get("kept", ()):
            progress.note(f"{code.place} on the host has files already: left as they are")
    for number, code in _numbered(order):
        if number in found.get("lacks", ()):
            _send(host, order, number, code, progress)
    _ask(host, order, "place")


def _numbered(order: BuildOrder) -> list[tuple[str, LocalCode]]:
    """A project before one that lies inside it."""
    code = enumerate(order.spec.local, start=1)
    return [
        (str(number), each) for number, each in sorted(code, key=lambda pair: len(pair[1].inside))
    ]


def _ask(host: Host, order: BuildOrder, step: str) -> dict[str, list[str]]:
    program = script(_PACKAGE, "mark.sh", "lock.sh", "sha256.sh", "download.sh", "local.sh")
    words = [
        word
        for number, code in _numbered(order)
        for word in (number, code.kind, _place(order, int(number), code), code.declares)
    ]
    reply = host.run(program, order.root, order.hash, step, *words, timeout=300.0)
    return fields(reply, "environment")


def _place(order: BuildOrder, number: int, code: LocalCode) -> str:
    if code.kind == "editable":
        return code.place
    if code.kind == "archive":
        return archive_place(order.root, code)
    return f"{order.folder}/{copy_in_build(code, number)}"


def _differs(host: Host, code: LocalCode) -> GpuwsError:
    names = ", ".join(code_files.DECLARING)
    return GpuwsError(
        "local-code-differs",
        f"{code.line}: {code.place} on the host declares another project than {code.path} does "
        f"({names}), and nothing there is overwritten",
        hint=f"make them the same, for example with scp {code.path}/pyproject.toml "
        f"{host.profile.alias}:{code.place}/; or take it without -e",
        stage="environment",
    )


# --- sending --------------------------------------------------------------------------------------


def _send(host: Host, order: BuildOrder, number: str, code: LocalCode, progress: Progress) -> None:
    try:
        data = _archive(code) if code.kind == "archive" else _packed(code)
    except (OSError, ValueError) as error:
        raise _unfit(order, code, error) from error
    progress.line(f"sending {code.line}: {_size(len(data))}")
    if code.kind == "archive":
        _upload(host, data, archive_place(order.root, code))
        return
    _upload(host, data, f"{order.folder}/local/{number}.tar.gz")
    if code.kind == "editable":
        progress.note(f"{code.line} lives in {code.place} on the host: change it there")


def _upload(host: Host, data: bytes, path: str) -> None:
    host.upload(data, path)


def _unfit(order: BuildOrder, code: LocalCode, error: OSError | ValueError) -> GpuwsError:
    message, _, hint = str(error).partition("\n")
    return GpuwsError(
        "environment-file-invalid",
        f"{order.spec.source}: {code.line}: {message}",
        hint=hint,
        stage="environment",
    )


def _archive(code: LocalCode) -> bytes:
    data = Path(code.path).read_bytes()
    _must_be(code, hashlib.sha256(data).hexdigest(), code.digest)
    return data


def _packed(code: LocalCode) -> bytes:
    folder = Path(code.path)
    files = code_files.code_files(folder)
    data = packed(files)
    _must_be(code, code_files.declares(folder), code.declares)
    if code.digest:
        _must_be(code, code_files.digest_of(files), code.digest)
    return data


def _must_be(code: LocalCode, now: str, then: str) -> None:
    if now != then:
        raise GpuwsError(
            "local-code-differs",
            f"{code.path} was changed while it was being sent",
            hint="run the command again",
            stage="environment",
            retryable=True,
        )


def packed(files: Sequence[CodeFile]) -> bytes:
    """A compressed tar that GNU's, busybox's and BSD's tar read."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for each in files:
            entry = tarfile.TarInfo(each.name)
            entry.mtime = max(int(each.path.lstat().st_mtime), _EARLIEST)
            if each.link:
                entry.type, entry.linkname = tarfile.SYMTYPE, each.link
                archive.addfile(entry)
                continue
            data = each.path.read_bytes()
            entry.mode, entry.size = 0o755 if each.executable else 0o644, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return whole.getvalue()


# --- telling beforehand ---------------------------------------------------------------------------


def plan_lines(order: BuildOrder) -> Iterator[str]:
    """What ``bring`` would send and where to, with its size."""
    for number, code in enumerate(order.spec.local, start=1):
        try:
            yield f"{_place(order, number, code)}{_told(code)}"
        except (OSError, ValueError) as error:
            raise _unfit(order, code, error) from error


def _told(code: LocalCode) -> str:
    if code.kind == "archive":
        return f" ({code.line}: {_size(Path(code.path).stat().st_size)})"
    files = code_files.code_files(Path(code.path))
    size = f"{len(files):,} files, {_size(sum(each.size for each in files))}"
    until = "unless it has files already" if code.kind == "editable" else "while it is built"
    return f"/ ({code.line}: {size}, {until})"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"
