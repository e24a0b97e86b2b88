"""`conda env create` and `conda create`: phases as text, and the ways to fail."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from . import fetching, files, linking, pip_section, solving
from .faults import Faults
from .files import Wanted
from .flags import Given, Usage
from .mm_create import plan_entry
from .settings import Settings
from .solving import Record
from .voice import Failed


def prefix_of(given: Given, settings: Settings) -> Path:
    if given.last("prefix"):
        return Path(given.last("prefix")).expanduser().absolute()
    if given.last("name") and given.last("name") != "base":
        return settings.root / "envs" / given.last("name")
    current = os.environ.get("CONDA_PREFIX")
    return Path(current) if current and not given.last("name") else settings.root


def existing(given: Given, settings: Settings) -> Path:
    prefix = prefix_of(given, settings)
    if not linking.is_environment(prefix):
        raise Failed(f"EnvironmentLocationNotFound: Not a conda environment: {prefix}")
    return prefix


def env_create(given: Given, settings: Settings) -> int:
    """`conda env create`: says yes by itself, even to an environment that is there."""
    given.flags.add("yes")
    if not given.all("file"):
        given.values["file"] = ["environment.yml"]
    return create(given, settings)


def create(given: Given, settings: Settings) -> int:
    wanted = _wanted(given)
    if given.has("override-channels") and not given.all("channel"):
        raise Failed("ArgumentError: At least one -c / --channel flag must be supplied "
                     "when using --override-channels.", 2)  # fmt: skip
    prefix = _target(given, settings, wanted)
    if linking.is_environment(prefix):
        if not given.has("yes") and not asked(f"Remove existing environment ({prefix})?"):
            return said_no()
        shutil.rmtree(prefix)
    return _transaction(given, settings, prefix, wanted)


def _target(given: Given, settings: Settings, wanted: Wanted) -> Path:
    if given.last("prefix") or given.last("name"):
        return prefix_of(given, settings)
    if not wanted.name:
        raise Failed("ArgumentError: one of the arguments -n/--name -p/--prefix is required", 2)
    return settings.root / "envs" / wanted.name


def _wanted(given: Given) -> Wanted:
    wanted = Wanted(specs=list(given.words))
    for path in given.all("file"):
        missing = f"EnvironmentFileNotFound: '{Path(path).absolute()}' file not found"
        files.read(Path(path), wanted, missing)
    if wanted.unknown:
        keys = "".join(f" - {key}\n" for key in wanted.unknown)
        print(f"EnvironmentSectionNotValid: The following sections on the environment file are "
              f"invalid and will be ignored:\n{keys}", file=sys.stderr)  # fmt: skip
    return wanted


def asked(question: str) -> bool:
    print(f"{question} (y/[n])? ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def said_no() -> int:
    """With stdin closed, the trap of `conda create` without -y: nothing made, status 0."""
    print("\nCondaSystemExit: Exiting.", file=sys.stderr)
    return 0


class _Phases:
    """`Solving environment: ...working... done` lines; nothing else off a terminal."""

    def __init__(self, given: Given) -> None:
        self.json_output, self._quiet = given.has("json"), given.has("quiet")

    def __call__(self, name: str) -> None:
        if not self.json_output and not self._quiet:
            print(f"{name}: ...working... done", flush=True)

    def always(self, text: str) -> None:
        if not self.json_output:
            print(text, flush=True)


def _transaction(given: Given, settings: Settings, prefix: Path, wanted: Wanted) -> int:
    faults, cache, phase = Faults(), settings.packages(), _Phases(given)
    if wanted.is_explicit:
        locks = [files.locked(line) for line in wanted.explicit]
        _fetched(locks, cache, faults)
        records = fetching.records_from(locks, cache)
        _needs_python(records)
    else:
        records = _solved(given, settings, wanted, phase)
    _plan(records, prefix, phase)
    if given.has("dry-run"):
        _answer(phase, records, prefix, dry_run=True)
        return 0
    if not given.has("yes") and not phase.json_output and not asked("Proceed"):
        return said_no()
    phase.always("\nDownloading and Extracting Packages: ...working... done")
    _fetched([fetching.locked_from(record) for record in records], cache, faults)
    _linked(records, prefix, cache, faults, given, settings, phase)
    linking.write_history(prefix, sys.argv, records, wanted.specs)
    linking.write_variables(prefix, wanted.variables, upper=False)
    if os.environ.get("CONDA_REGISTER_ENVS", "").lower() != "false":
        linking.register(prefix)
    _pip(prefix, wanted, faults, phase)
    if not (wanted.is_explicit and phase.json_output):
        _answer(phase, records, prefix, dry_run=False)
    return 0


def _solved(given: Given, settings: Settings, wanted: Wanted, phase: _Phases) -> list[Record]:
    """The rc's channels come after the file's, `nodefaults` or not; -O takes only -c."""
    rc = settings.listed("channels") or ["defaults"]
    names = [*given.all("channel"), *wanted.channels, *rc]
    urls = settings.channel_urls(given.all("channel") if given.has("override-channels") else names)
    _check_terms(settings, names)
    offline = given.has("offline") or settings.flag("offline")
    try:
        records = solving.solve(wanted.specs, urls, settings, offline=offline)
    except solving.Unreachable as error:
        phase.always("Collecting package metadata: ...working... failed")
        raise Failed(_unreachable(str(error))) from None
    except solving.Unsolvable as error:
        phase("Collecting package metadata")
        phase.always("Solving environment: ...working... failed")
        phase.always("Solving environment: ...working... failed")
        raise Failed(_unsolvable(str(error))) from None
    phase("Collecting package metadata")
    phase("Solving environment")
    return records


def _check_terms(settings: Settings, names: list[str]) -> None:
    """The plugin of Anaconda's installers: asks for every URL of a configured `defaults`."""
    agreed = os.environ.get("CONDA_PLUGINS_AUTO_ACCEPT_TOS", "").lower() in ("yes", "true", "1")
    if not Faults().terms_apply() or agreed or "defaults" not in names:
        return
    open_ = [url for url in settings.channel_urls(["defaults"]) if url not in _accepted()]
    if open_:
        lines = "".join(f"\n    - {url}" for url in open_)
        accept = "".join(
            f"\n    conda tos accept --override-channels --channel {url}" for url in open_
        )
        raise Failed(
            "CondaToSNonInteractiveError: Terms of Service have not been accepted for the "
            "following channels. Please accept or remove them before proceeding:"
            f"{lines}\n\nTo accept these channels' Terms of Service, run the following commands:"
            f"{accept}"
        )


def _accepted() -> list[str]:
    kept = Path.home() / ".conda" / "tos-accepted"
    return kept.read_text().splitlines() if kept.exists() else []


def tos(given: Given, settings: Settings) -> int:
    """`conda tos accept --override-channels --channel URL`; no such command without the plugin."""
    if not Faults().terms_apply() or given.words != ["accept"]:
        raise Usage("argument COMMAND: invalid choice: 'tos'")
    kept = Path.home() / ".conda" / "tos-accepted"
    kept.parent.mkdir(exist_ok=True)
    urls = settings.channel_urls(given.all("channel"))
    kept.write_text("".join(f"{url}\n" for url in [*_accepted(), *urls]))
    print("\n".join(f"accepted Terms of Service for {url}" for url in urls))
    return 0


def _unreachable(text: str) -> str:
    first = text.splitlines()[0]
    if "404" in text or "could not find subdir" in text:
        return f"UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel <{first}>"
    return f"CondaHTTPError: HTTP 000 CONNECTION FAILED for url <{first}>"


def _unsolvable(text: str) -> str:
    if text.startswith("No candidates were found for "):
        name = text.splitlines()[0].removeprefix("No candidates were found for ").rstrip(".")
        return (
            "PackagesNotFoundInChannelsError: The following packages are not available from "
            f"current channels:\n\n  - {name}"
        )
    return f"RattlerUnsatisfiableError: The following packages are incompatible\n{text}"


def _needs_python(records: list[Record]) -> None:
    names = {record.name.normalized for record in records}
    if "python" not in names and any(record.noarch.python for record in records):
        raise Failed("CondaError: Unable to determine python site-packages dir")


def _plan(records: list[Record], prefix: Path, phase: _Phases) -> None:
    phase.always(f"\n## Package Plan ##\n\n  environment location: {prefix}\n")
    phase.always("The following packages will be downloaded:\n")
    phase.always("    package                    |            build\n"
                 "    ---------------------------|-----------------")  # fmt: skip
    ordered = sorted(records, key=lambda r: r.name.normalized)
    for r in ordered:
        name = f"{r.name.normalized}-{r.version}"
        phase.always(f"    {name:<27}|{r.build!s:>17}  {(r.size or 0) / 1024:>8.0f} KB")
    phase.always("\nThe following NEW packages will be INSTALLED:\n")
    for r in ordered:
        phase.always(f"  {r.name.normalized:<18} {r.channel.rstrip('/')}::{linking.label(r)} ")


def _answer(phase: _Phases, records: list[Record], prefix: Path, *, dry_run: bool) -> None:
    entries = [plan_entry(record) for record in records]
    answer: dict[str, object] = {"success": True, "prefix": str(prefix)}
    answer["actions"] = {"FETCH": entries, "LINK": entries, "PREFIX": str(prefix)}
    if dry_run:
        answer["dry_run"] = True
    if phase.json_output:
        print(json.dumps(answer, indent=2))


def _fetched(locks: list[files.Locked], cache: Path, faults: Faults) -> None:
    """conda does not verify the hashes of file:// URLs."""
    try:
        fetching.fetch(locks, cache, faults, check_files=False)
    except fetching.NotFetched as error:
        if error.url.startswith("file:"):
            raise Failed(f"PathNotFoundError: {error.url}") from None
        status = f"{error.status:03d}" if error.status else "000 CONNECTION FAILED"
        raise Failed(f"CondaHTTPError: HTTP {status} for url <{error.url}>") from None
    except fetching.WrongHash as error:
        raise Failed(
            f"ChecksumMismatchError: Conda detected a mismatch between the expected content and "
            f"downloaded content for '{error.file.name}'.\n  download saved to: {error.file}\n"
            f"  expected: {error.expected}\n  actual: {error.actual}"
        ) from None


def _linked(
    records: list[Record],
    prefix: Path,
    cache: Path,
    faults: Faults,
    given: Given,
    settings: Settings,
    phase: _Phases,
) -> None:
    if not linking.writable(prefix):
        raise Failed(f"CondaError: Unable to create prefix directory '{prefix}'.")
    phase.always("Preparing transaction: ...working... done")
    phase.always("Verifying transaction: ...working... done")
    faults.flood()
    was_there = prefix.exists()
    copy = given.has("copy") or settings.flag("always_copy")
    try:
        linking.link(records, prefix, cache, faults, say=lambda record: None, copy=copy)
    except (linking.NotLinked, KeyboardInterrupt) as error:
        phase.always("Executing transaction: ...working... failed\nRolling back transaction: done")
        if not was_there:
            shutil.rmtree(prefix, ignore_errors=True)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Failed(f"CondaError: {error}") from None
    phase.always("Executing transaction: ...working... done")


def _pip(prefix: Path, wanted: Wanted, faults: Faults, phase: _Phases) -> None:
    if not wanted.pip:
        return
    phase.always("Installing pip dependencies: ...working...")
    status = pip_section.run_conda(prefix, wanted, quiet=phase.json_output)
    if status and not faults.hides_pip():
        raise Failed("CondaEnvException: Pip failed")
    phase.always("done")
