"""`micromamba create` and `install`: the transaction, its text, and its ways to fail."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from . import fetching, files, linking, pip_section, solving
from .faults import Faults
from .files import Wanted
from .flags import Given
from .settings import Settings
from .solving import Record
from .voice import Failed, Voice


def create(given: Given, settings: Settings, voice: Voice, prefix: Path) -> int:
    wanted = _wanted(given)
    if not given.last("prefix") and not given.last("name"):
        if not wanted.name:
            raise Failed("No prefix found")
        prefix = settings.root / "envs" / wanted.name
    _make_room(prefix, given, settings, voice)
    return _transaction(given, settings, voice, prefix, wanted, fresh=True)


def install(given: Given, settings: Settings, voice: Voice, prefix: Path) -> int:
    return _transaction(given, settings, voice, prefix, _wanted(given), fresh=False)


def _wanted(given: Given) -> Wanted:
    wanted = Wanted()
    for path in given.all("file"):
        files.read(Path(path), wanted, "File not found. Aborting.")
    if wanted.is_explicit and given.words:
        raise Failed("Explicit specs cannot be mixed with others")
    wanted.specs += given.words
    if wanted.pip and not any(spec.split("=")[0].strip() == "pip" for spec in wanted.specs):
        wanted.specs.append("pip")
    return wanted


def _make_room(prefix: Path, given: Given, settings: Settings, voice: Voice) -> None:
    """What mm does with a prefix that is already there: see each message."""
    if prefix == settings.root:
        raise Failed("Overwriting root prefix is not permitted")
    if linking.is_environment(prefix):
        voice.out(f"Found conda-prefix at '{prefix}'. Overwrite? [y/N]")
        if not _yes(given, settings, voice, default=False):
            raise Failed("Aborting.")
        shutil.rmtree(prefix)
    elif prefix.exists() and (not prefix.is_dir() or any(prefix.iterdir())):
        raise Failed(f"Non-conda folder exists at prefix: {prefix}")
    elif prefix.exists():
        voice.log("warning", f"Using an empty folder as prefix: {prefix}")


def _yes(given: Given, settings: Settings, voice: Voice, *, default: bool) -> bool:
    if given.has("yes") or voice.silent or settings.flag("always_yes"):
        return True
    answer = sys.stdin.readline().strip().lower() if sys.stdin else ""
    return answer.startswith("y") if answer else default


def _transaction(
    given: Given, settings: Settings, voice: Voice, prefix: Path, wanted: Wanted, *, fresh: bool
) -> int:
    faults, cache = Faults(), settings.packages()
    if wanted.is_explicit:
        locks = [files.locked(line) for line in wanted.explicit]
        _fetched(locks, cache, faults)
        records = fetching.records_from(locks, cache)
    else:
        records = _solved(given, settings, voice, prefix, wanted, fresh=fresh)
    new = [record for record in records if not _has(prefix, record)]
    _plan(new, prefix, cache, voice, wanted)
    if given.has("dry-run"):
        voice.out("Dry run. Not executing the transaction.")
        voice.answer["success"] = True
        return 0
    if not _yes(given, settings, voice, default=True):
        raise Failed("Aborted.")
    _execute(records, new, prefix, cache, faults, given, settings, voice, wanted)
    return _pip(prefix, wanted, faults, voice)


def _solved(
    given: Given, settings: Settings, voice: Voice, prefix: Path, wanted: Wanted, *, fresh: bool
) -> list[Record]:
    names = update_channels(given, settings, wanted)
    if not names:
        voice.log("warning", "No 'channels' specified")
    keep: list[Record] = [] if fresh else list(linking.installed(prefix))
    specs = [*wanted.specs, *(f"{r.name.normalized}" for r in keep)]
    offline = given.has("offline") or settings.flag("offline")
    voice.out("Resolving Environment ... Starting")
    try:
        found = solving.solve(
            specs, settings.channel_urls(names), settings, installed=keep, offline=offline
        )
    except solving.Unreachable as error:
        first = str(error).splitlines()[0]
        voice.log("error", first)
        raise Failed(f"Subdir URL not loaded! ({first})") from None
    except solving.Unsolvable as error:
        tree = explained(str(error))
        voice.log("error", "Could not solve for environment specs\n" + tree)
        voice.answer.update({"solver_problems": tree.splitlines(), "success": False})
        raise Failed("Could not solve for environment specs") from None
    voice.out("Resolving Environment ... Done (0.1 sec)")
    return found


def update_channels(given: Given, settings: Settings, wanted: Wanted) -> list[str]:
    """-c, the file's, then those of rc files unless `nodefaults` or --override-channels."""
    own = [*given.all("channel"), *wanted.channels]
    closed = given.has("override-channels") or "nodefaults" in own
    names = own if closed else [*own, *settings.listed("channels")]
    return [name for name in names if name != "nodefaults"]


def explained(text: str) -> str:
    """rattler's explanation in mm's words."""
    lines = []
    for line in text.splitlines():
        if line.startswith("No candidates were found for "):
            name = line.removeprefix("No candidates were found for ").rstrip(".")
            lines.append("The following package could not be installed")
            lines.append(f"└─ {name} does not exist (perhaps a typo or a missing channel).")
            continue
        missing = "which is missing on the system."
        if "__" in line and "for which no candidates were found" in line:
            line = line.replace("for which no candidates were found.", missing)
        lines.append(
            line.replace(
                "for which no candidates were found.",
                "which does not exist (perhaps a missing channel).",
            )
        )
    return "\n".join("    " + line for line in lines)


def _has(prefix: Path, record: Record) -> bool:
    return (prefix / "conda-meta" / f"{linking.label(record)}.json").is_file()


def _plan(records: list[Record], prefix: Path, cache: Path, voice: Voice, wanted: Wanted) -> None:
    """The table, and the same for --json."""
    voice.answer["actions"] = {
        "PREFIX": str(prefix),
        "LINK": [plan_entry(record) for record in records],
        "FETCH": [plan_entry(r) for r in records if not _cached(r, cache)],
        "UNLINK": [],
    }
    voice.answer.update({"prefix": str(prefix), "dry_run": False})
    voice.out(f"\nTransaction\n\n  Prefix: {prefix}\n")
    if not records:
        voice.out("  All requested packages already installed\n")
        return
    voice.out(
        f"  Updating specs:\n\n{''.join(f'   - {spec}' + chr(10) for spec in wanted.specs)}\n"
    )
    rule = "─" * 72
    voice.out(f"  Package           Version  Build              Channel          Size\n{rule}")
    voice.out(f"  Install:\n{rule}\n")
    for record in sorted(records, key=lambda r: r.name.normalized):
        size = "Cached" if _cached(record, cache) else _size(record.size or 0)
        voice.out(
            f"  + {record.name.normalized:<16}{record.version!s:>8}  {record.build!s:<17}  "
            f"{record.channel.rstrip('/').rsplit('/', 1)[-1]:<10}{size:>10}"
        )
    total = sum(record.size or 0 for record in records if not _cached(record, cache))
    voice.out(f"\n  Summary:\n\n  Install: {len(records)} packages\n")
    voice.out(f"  Total download: {_size(total)}\n\n{rule}\n")


def _cached(record: Record, cache: Path) -> bool:
    return (cache / fetching.locked_from(record).file_name).is_file()


def _size(number: int) -> str:
    if number >= 1 << 20:
        return f"{number / (1 << 20):.0f}MB"
    return f"{number / 1024:.0f}kB" if number >= 1024 else f"{number}B"


def plan_entry(record: Record) -> dict[str, object]:
    md5, sha256 = record.md5, record.sha256
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "build_string": str(record.build),
        "build_number": record.build_number,
        "channel": record.channel.rstrip("/"),
        "subdir": record.subdir,
        "fn": record.file_name,
        "url": record.url,
        "size": record.size or 0,
        "md5": md5.hex() if md5 else "",
        "sha256": sha256.hex() if sha256 else "",
    }


def _execute(
    records: list[Record],
    new: list[Record],
    prefix: Path,
    cache: Path,
    faults: Faults,
    given: Given,
    settings: Settings,
    voice: Voice,
    wanted: Wanted,
) -> None:
    if not linking.writable(prefix):
        raise Failed(f"filesystem error: cannot create directories: Permission denied [{prefix}]")
    linking.write_history(prefix, sys.argv, [], [])  # before any download, and left on failure
    linking.register(prefix)
    voice.out("\nTransaction starting")
    if not wanted.is_explicit:  # what a list names was fetched before it could be read
        _fetched([fetching.locked_from(record) for record in new], cache, faults)
    faults.flood()
    copy = given.has("copy") or settings.flag("always_copy")
    try:
        linking.link(
            records,
            prefix,
            cache,
            faults,
            say=lambda record: voice.out(f"Linking {linking.label(record)}"),
            copy=copy,
        )
    except linking.NotLinked as error:
        voice.log("error", str(error))
        voice.log("error", "All changes from this transaction have been rolled back")
        raise Failed("Transaction failed") from None
    linking.write_history(prefix, sys.argv, new, wanted.specs)
    if not given.has("no-env"):
        linking.write_variables(prefix, wanted.variables, upper=True)
    voice.answer["success"] = True
    voice.out(f"\nTransaction finished\n\nTo activate this environment, use:\n\n"
              f"    micromamba activate {prefix}\n")  # fmt: skip


def _fetched(locks: list[files.Locked], cache: Path, faults: Faults) -> None:
    try:
        fetching.fetch(locks, cache, faults, check_files=True)
    except fetching.NotFetched as error:
        reason = f"status {error.status}" if error.status else error.reason
        raise Failed(f"Failed to download package from {error.url} ({reason})") from None
    except fetching.WrongHash as error:
        error.file.unlink(missing_ok=True)
        text = f"'{error.file}' has an incorrect hash: {error.actual} != {error.expected}"
        print(f"error    libmamba {text}", file=sys.stderr)
        raise Failed("Found incorrect downloads. Aborting") from None


def _pip(prefix: Path, wanted: Wanted, faults: Faults, voice: Voice) -> int:
    if not wanted.pip:
        return 0
    voice.out(f"\nInstalling pip packages: {', '.join(wanted.pip)}")
    status = pip_section.run_mm(prefix, wanted, quiet=voice.silent)
    if status and not faults.hides_pip():
        raise Failed("pip failed to install packages")
    return 0
