"""The command line of conda 26.7 with the rattler solver, as far as gpuws may use it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import rattler

from . import activation, linking, listing, solving
from .conda_create import asked, create, env_create, existing, said_no, tos
from .flags import Flags, Given, Usage
from .settings import Settings, load_rc, rc_paths
from .voice import Failed

VERSION = "26.7.2"

COMMON = Flags(
    "-h,--help --json -v,--verbose -q,--quiet -d,--dry-run -y,--yes --offline -k,--insecure",
    "-n,--name -p,--prefix --console",
)
ENV_CREATE = COMMON | Flags(
    "--no-default-packages",
    "-f,--file --environment-specifier,--env-spec,--format --solver --subdir,--platform",
)
CREATE = ENV_CREATE | Flags(
    "-O,--override-channels --strict-channel-priority --no-channel-priority --no-deps --only-deps "
    "--no-pin --copy -C,--use-index-cache -m,--mkdir --download-only",
    "-c,--channel --channel-priority --repodata-fn --clone",
)
LIST = COMMON | Flags(
    "--explicit -e,--export --md5 --sha256 --canonical -f,--full-name --no-pip --show-channel-urls "
    "--reverse -r,--revisions",
    "",
)
EXPORT = COMMON | Flags(
    "--from-history --no-builds --ignore-channels -O,--override-channels",
    "-c,--channel -f,--file --format",
)
INFO = COMMON | Flags("--base -a,--all -e,--envs -s,--system --unsafe-channels", "")
RUN = COMMON | Flags("--no-capture-output,--live-stream --debug-wrapper-scripts --dev", "--cwd")


def main(argv: list[str]) -> int:
    """The exit status; everything has been printed."""
    try:
        return _dispatch(argv)
    except Usage as error:
        print(f"usage: conda [-h] [-v] COMMAND ...\nconda: error: {error}", file=sys.stderr)
        return 2
    except Failed as failed:
        _say_failure(failed, json_output="--json" in argv)
        return failed.status
    except KeyboardInterrupt:
        print("\nCondaSignalInterrupt: Signal interrupt", file=sys.stderr)
        return 1


def _say_failure(failed: Failed, *, json_output: bool) -> None:
    name, _, text = failed.text.partition(": ")
    if json_output:
        content = {"exception_name": name, "error": failed.text, "message": text, "success": False}
        print(json.dumps(content, indent=2))
    else:
        print(f"\n{failed.text}\n", file=sys.stderr)


def _dispatch(argv: list[str]) -> int:
    if argv[:1] in (["--version"], ["-V"]):
        print(f"conda {VERSION}")
        return 0
    if not argv:
        print("usage: conda [-h] [-v] [--no-plugins] [-V] COMMAND ...")
        return 0
    name, rest = argv[0], argv[1:]
    if name == "env" and rest:
        name, rest = f"env {rest[0]}", rest[1:]
    if name not in _COMMANDS:
        raise Usage(f"argument COMMAND: invalid choice: {name!r}")
    flags, command = _COMMANDS[name]
    given = flags.parse(rest, stop_at_word=name == "run")
    return command(given, _settings())


def _settings() -> Settings:
    prefix = Path(sys.argv[0]).absolute().parent.parent
    root = Path(os.environ.get("CONDA_ROOT") or prefix)
    rc, read = load_rc(rc_paths(root, "conda"))
    return Settings(root, rc, read, personality="conda")


def _list(given: Given, settings: Settings) -> int:
    prefix = existing(given, settings)
    if given.has("json"):
        print(json.dumps(listing.packages(prefix), indent=2))
    elif given.has("explicit"):
        mark = next((m for m in ("md5", "sha256") if given.has(m)), "")
        print("\n".join([*listing.header(), *listing.explicit(prefix, mark)]))
    else:
        print(listing.table(prefix, "# packages in environment at"))
    return 0


def _export(given: Given, settings: Settings) -> int:
    prefix = existing(given, settings)
    content = listing.exported(prefix, builds=not given.has("no-builds"))
    variables = activation.variables(prefix)
    if variables:
        content["variables"] = variables
    print(json.dumps(content, indent=2) if given.has("json") else listing.dump(content))
    return 0


def _info(given: Given, settings: Settings) -> int:
    if given.has("base"):
        print(settings.root)
        return 0
    facts: dict[str, object] = {
        "conda_version": VERSION,
        "root_prefix": str(settings.root),
        "root_writable": os.access(settings.root, os.W_OK),
        "pkgs_dirs": [str(settings.packages())],
        "envs_dirs": [str(settings.root / "envs")],
        "envs": [str(path) for path in settings.environments()],
        "channels": settings.channel_urls(settings.listed("channels") or ["defaults"]),
        "config_files": settings.rc_files,
        "virtual_pkgs": [_triple(package) for package in solving.virtual_packages()],
        "solver": {"name": "rattler", "default": True},
        "platform": str(rattler.Subdir.current()),
    }
    if given.has("json"):
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(f"{key:>20} : {value}" for key, value in facts.items()))
    return 0


def _triple(package: rattler.GenericVirtualPackage) -> list[str]:
    return [package.name.normalized, str(package.version), str(package.build_string)]


def _run(given: Given, settings: Settings) -> int:
    prefix = existing(given, settings)
    done = activation.run(prefix, given.words, cwd=given.last("cwd") or None)
    if done.returncode:
        line = f"ERROR conda.cli.main_run:execute(125): `conda run {' '.join(given.words)}` failed."
        print(line, file=sys.stderr)
    return done.returncode


def _remove(given: Given, settings: Settings) -> int:
    prefix = existing(given, settings)
    if not given.has("yes") and not asked("Everything found within the environment, proceed"):
        return said_no()
    linking.remove(prefix)
    print(f"\nRemove all packages in environment {prefix}:\n")
    return 0


def _environments(given: Given, settings: Settings) -> int:
    found = [str(path) for path in settings.environments()]
    if given.has("json"):
        print(json.dumps({"envs": found}, indent=2))
    else:
        print("\n".join(f"{Path(path).name:<20} {path}" for path in found))
    return 0


def _shell(given: Given, settings: Settings) -> int:
    """`conda shell.posix activate P`."""
    if given.words[:1] != ["activate"]:
        raise Usage("argument COMMAND: invalid choice")
    given.values["prefix"] = [given.words[1]] if len(given.words) > 1 else []
    prefix = existing(given, settings)
    print(activation.posix(prefix, str(prefix)))
    return 0


Command = Callable[[Given, Settings], int]
_COMMANDS: dict[str, tuple[Flags, Command]] = {
    "create": (CREATE, create),
    "env create": (ENV_CREATE, env_create),
    "env remove": (COMMON, _remove),
    "env list": (COMMON, _environments),
    "env export": (EXPORT, _export),
    "export": (EXPORT, _export),
    "list": (LIST, _list),
    "info": (INFO, _info),
    "run": (RUN, _run),
    "tos": (COMMON | Flags("--override-channels", "-c,--channel"), tos),
    "shell.posix": (Flags("", ""), _shell),
}
