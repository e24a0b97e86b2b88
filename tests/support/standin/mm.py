"""The command line of micromamba 2.x (mamba 2.x is the same program)."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import rattler

from . import activation, linking, listing
from .flags import Flags, Given, Usage
from .mm_create import create, install
from .settings import Settings, load_rc, mm_root, rc_paths
from .voice import Failed, Voice

VERSION = "2.8.1"
EXTRAS_ERROR = 109  # CLI11's exit status for an argument it does not know
REQUIRED_ERROR = 106

GENERAL = Flags(
    "-h,--help --version --no-rc --no-env -v,--verbose -q,--quiet -y,--yes --json --offline "
    "--dry-run --download-only --experimental --use-uv",
    "--rc-file --log-level -r,--root-prefix -p,--prefix --relocate-prefix -n,--name",
)
INSTALL = GENERAL | Flags(
    "--override-channels --strict-channel-priority --no-channel-priority --no-pin --no-py-pin "
    "--pyc --no-pyc --freeze-installed --force-reinstall --no-deps --only-deps "
    "--allow-uninstall --no-allow-uninstall --allow-downgrade --no-allow-downgrade "
    "--allow-softlinks --always-softlink --always-copy,--copy --shortcuts --no-shortcuts "
    "--extra-safety-checks --verify-artifacts --retry-clean-cache --ssl-no-revoke "
    "--no-lazy-config-cache",
    "-c,--channel -f,--file --channel-priority --channel-alias --lock-timeout --safety-checks "
    "--trusted-channels --repodata-ttl --ssl-verify --cacert-path --platform --category "
    "--default-channel",
)
LIST = GENERAL | Flags(
    "--explicit --md5 --sha256 --canonical --export --full-name --no-pip --reverse --revisions",
    "",
)
EXPORT = GENERAL | Flags(
    "-e,--explicit --no-md5 --md5 --no-build,--no-builds --channel-subdir --from-history", ""
)
RUN = GENERAL | Flags("--clean-env -d,--detach", "-a,--attach --cwd -e,--env --label")
SHELL = GENERAL | Flags("--reset-shell --stack", "-s,--shell")
CLEAN = GENERAL | Flags("-a,--all -i,--index-cache -p,--packages -t,--tarballs -l,--locks", "")
CONFIG = GENERAL | Flags("--sources --show-sources --long-descriptions --show-all", "")


def main(argv: list[str]) -> int:
    """The exit status; everything has been printed."""
    voice = Voice()
    try:
        return _dispatch(argv, voice)
    except Usage as error:
        print(f"{error}\nRun with --help for more information.", file=sys.stderr)
        return REQUIRED_ERROR if "missing" in str(error) else EXTRAS_ERROR
    except Failed as failed:
        if failed.text:
            _current(voice).log("critical", failed.text)
        _current(voice).answer.setdefault("success", False)
        _current(voice).finish()
        return failed.status
    except KeyboardInterrupt:
        print("Aborted.", file=sys.stderr)
        return 0


_STATE: list[Voice] = []


def _current(fallback: Voice) -> Voice:
    return _STATE[-1] if _STATE else fallback


def _dispatch(argv: list[str], voice: Voice) -> int:
    before = GENERAL.parse(argv, stop_at_word=True)
    if before.has("version"):
        print(VERSION)
        return 0
    if not before.words:
        print("Usage: micromamba [OPTIONS] [SUBCOMMAND]")
        return 0
    name, rest = before.words[0], before.words[1:]
    lead = argv[: len(argv) - len(before.words)]
    if name in ("env", "shell", "config") and rest and not rest[0].startswith("-"):
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name not in _COMMANDS:
        raise Usage(f"The following argument was not expected: {name}")
    flags, command = _COMMANDS[name]
    given = flags.parse([*lead, *rest], stop_at_word=name == "run")
    _STATE.append(Voice(json_output=given.has("json"), quiet=given.has("quiet")))
    settings = _settings(given)
    status = command(given, settings, _STATE[-1])
    _STATE[-1].finish()
    return status


def _settings(given: Given) -> Settings:
    root = mm_root(given.last("root-prefix"))
    none = given.has("no-rc") or os.environ.get("MAMBA_NO_RC", "").lower() in ("1", "true")
    named = [Path(path) for path in given.all("rc-file")]
    if none and named:
        raise Failed("--rc-file cannot be used with --no-rc")
    for path in named:
        if not path.is_file():
            raise Failed(f"Configuration file specified but does not exist at '{path}'")
    rc, read = load_rc([] if none else named or rc_paths(root, "mm"))
    return Settings(root, rc, read)


def prefix_of(given: Given, settings: Settings) -> Path:
    """-p (a path only with a slash in it), -n, or the variables that mm falls back to."""
    path = given.last("prefix")
    if path and "/" not in path:
        return settings.root / "envs" / path
    if path:
        return Path(path).expanduser().absolute()
    if given.last("name"):
        return settings.root / "envs" / given.last("name")
    fallback = os.environ.get("MAMBA_TARGET_PREFIX") or os.environ.get("CONDA_PREFIX")
    return Path(fallback) if fallback else settings.root


def _existing(given: Given, settings: Settings) -> Path:
    prefix = prefix_of(given, settings)
    if not linking.is_environment(prefix):
        raise Failed(f"Prefix does not exist at: '{prefix}'")
    return prefix


def _list(given: Given, settings: Settings, voice: Voice) -> int:
    prefix = _existing(given, settings)
    if voice.json_output:
        voice.answer["packages"] = listing.with_hashes(prefix)
    elif given.has("explicit"):
        mark = next((m for m in ("md5", "sha256") if given.has(m)), "")
        print("\n".join(listing.explicit(prefix, mark)))
    else:
        print(listing.table(prefix, "List of packages in environment:"))
    return 0


def _export(given: Given, settings: Settings, voice: Voice) -> int:
    prefix = _existing(given, settings)
    if given.has("explicit"):
        lines = listing.explicit(prefix, "" if given.has("no-md5") else "md5")
        print("\n".join([*listing.header(), *lines]))
        return 0
    content = listing.exported(prefix, builds=not given.has("no-builds"))
    print(json.dumps(content, indent=4) if voice.json_output else listing.dump(content))
    voice.json_output = False
    return 0


def _run(given: Given, settings: Settings, voice: Voice) -> int:
    prefix = _existing(given, settings)
    if not given.words:
        raise Failed("Did not receive any command to run inside environment")
    pairs = dict(pair.split("=", 1) for pair in given.all("env"))
    cwd = given.last("cwd") or None
    return activation.run(prefix, given.words, cwd=cwd, env=pairs).returncode


def _info(given: Given, settings: Settings, voice: Voice) -> int:
    name = Path(sys.argv[0]).name
    facts: dict[str, object] = {
        "libmamba version": VERSION,
        f"{name} version": VERSION,
        "curl version": "none: a stand-in over py-rattler",
        "envs directories": [str(settings.root / "envs")],
        "package cache": [str(settings.packages())],
        "environment": "None (not found)",
        "user config files": [str(Path.home() / ".mambarc")],
        "populated config files": settings.rc_files,
        "virtual packages": [_virtual(package) for package in _virtuals()],
        "channels": settings.channel_urls(settings.listed("channels")),
        "base environment": str(settings.root),
        "platform": str(rattler.Subdir.current()),
    }
    if voice.json_output:
        print(json.dumps(facts, indent=4))
        voice.json_output = False
        return 0
    for key, value in facts.items():
        print(f"{key:>25} : {value}")
    return 0


def _virtuals() -> list[rattler.GenericVirtualPackage]:
    from .solving import virtual_packages

    return virtual_packages()


def _virtual(package: rattler.GenericVirtualPackage) -> str:
    return f"{package.name.normalized}={package.version}={package.build_string}"


def _activate(given: Given, settings: Settings, voice: Voice) -> int:
    if given.last("shell") not in ("posix", "bash", "zsh", "dash"):
        raise Failed("Please provide a valid shell, with -s or --shell")
    if given.words:
        given.values["prefix"] = [given.words[0]]
    prefix = _existing(given, settings)
    print(activation.posix(prefix, str(prefix)))
    return 0


def _plain_activate(given: Given, settings: Settings, voice: Voice) -> int:
    print("'micromamba' is running as a subprocess and can't modify the parent shell.",
          file=sys.stderr)  # fmt: skip
    return 1


def _remove(given: Given, settings: Settings, voice: Voice) -> int:
    prefix = _existing(given, settings)
    if not (given.has("yes") or voice.silent) and not sys.stdin.readline().lower().startswith("y"):
        raise Failed("Aborted.")
    linking.remove(prefix)
    voice.out(f"Environment removed at prefix: {prefix}")
    voice.answer["success"] = True
    return 0


def _environments(given: Given, settings: Settings, voice: Voice) -> int:
    found = [str(path) for path in settings.environments()]
    voice.answer["envs"] = found
    for path in found:
        voice.out(f"  {Path(path).name:<20} {path}")
    return 0


def _variables(given: Given, settings: Settings, voice: Voice) -> int:
    """`env config vars list`."""
    if given.words[:2] != ["vars", "list"]:
        raise Usage(f"The following argument was not expected: {' '.join(given.words)}")
    found = activation.variables(_existing(given, settings))
    voice.answer.update(found)
    for key, value in found.items():
        voice.out(f"{key} = {value}")
    return 0


def _config(given: Given, settings: Settings, voice: Voice) -> int:
    if voice.json_output:
        voice.answer.update(settings.rc)
    elif settings.rc:
        print(listing.dump(dict(settings.rc)))
    return 0


def _clean(given: Given, settings: Settings, voice: Voice) -> int:
    """`clean --all`: what was downloaded; environments keep their hard links."""
    if not given.has("all"):
        voice.out("Nothing to do.")
        return 0
    shutil.rmtree(settings.packages(), ignore_errors=True)
    voice.out("Collect information..\nCleaning index cache..")
    return 0


def _create(given: Given, settings: Settings, voice: Voice) -> int:
    return create(given, settings, voice, prefix_of(given, settings))


def _install(given: Given, settings: Settings, voice: Voice) -> int:
    return install(given, settings, voice, _existing(given, settings))


Command = Callable[[Given, Settings, Voice], int]
_COMMANDS: dict[str, tuple[Flags, Command]] = {
    "create": (INSTALL, _create),
    "env create": (INSTALL, _create),
    "install": (INSTALL, _install),
    "list": (LIST, _list),
    "env export": (EXPORT, _export),
    "env remove": (GENERAL, _remove),
    "env list": (GENERAL, _environments),
    "env config": (GENERAL, _variables),
    "run": (RUN, _run),
    "info": (GENERAL, _info),
    "shell activate": (SHELL, _activate),
    "activate": (SHELL, _plain_activate),
    "config list": (CONFIG, _config),
    "clean": (CLEAN, _clean),
}
