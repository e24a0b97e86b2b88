"""An environment as a Dockerfile that makes it again, package by package. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gpuws.plan.drift import Package, own, plain
from gpuws.plan.export import Declared
from gpuws.plan.naming import public
from gpuws.plan.sources import Direct, Source

IMAGE = "mambaorg/micromamba:2.3.2"
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "ppc64le": "linux/ppc64le"}
_NAME = "work"
_CHUNK = 200  # lines of one RUN: the kernel takes 128 KiB as the text of a shell's -c
_OPTIONS = re.compile(
    r"(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host|--no-index|--pre|"
    r"--prefer-binary|--no-binary|--only-binary)([ =].*)?"
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")


@dataclass(frozen=True)
class Contents:
    """What is installed, where it came from, and what was declared beside the packages. ``python``:
    the version of a virtual environment's own; ``pip_index``: of hosts.yaml."""

    name: str
    machine: str
    declared: Declared
    now: Sequence[Package]
    sources: Sequence[Source] = ()
    direct: Sequence[Direct] = ()
    python: str = ""
    pip_index: str = ""


def dockerfile(contents: Contents) -> str:
    """Needs nothing but the network to be built: no file beside it, no root, no gpuws."""
    platform = _PLATFORMS.get(contents.machine)
    chosen = f"--platform={platform} " if platform else ""
    return "\n".join(
        [
            f"# The environment of {contents.name}, package by package.",
            f"FROM {chosen}{IMAGE}",
            "USER mambauser",
            *_conda(contents),
            *_pip(contents),
            f"ENV ENV_NAME={_NAME}",
            *_variables(contents.declared),
            "",
        ]
    )


# --- conda ----------------------------------------------------------------------------------------


def _conda(contents: Contents) -> Iterator[str]:
    packages = [each for each in own(contents.now).values() if each.kind == "conda"]
    known = {each.record: each for each in contents.sources if each.url}
    exact = [known[_record(each)] for each in packages if _record(each) in known]
    others = [each.words for each in packages if _record(each) not in known]
    if exact:
        yield from _remarks(exact)
        yield from _listed("explicit.txt", ["@EXPLICIT", *(each.pinned for each in exact)])
        yield _run(
            f"micromamba create --yes --name {_NAME} --file explicit.txt",
            "micromamba clean --all --yes",
            "rm explicit.txt",
        )
    if others or not exact:
        verb = "install" if exact else "create"
        yield from _solved(contents, verb, others or [_python(contents), "pip"])


def _record(package: Package) -> str:
    return f"{package.name}-{package.version}-{package.build}"


def _remarks(exact: Iterable[Source]) -> Iterator[str]:
    hosts = dict.fromkeys(each.url.split("/")[2] for each in exact if each.login)
    yield from (f"# {host} asked for a login, which is not written here." for host in hosts)
    if any(each.url.startswith("file:") for each in exact):
        yield "# Archives with file:// addresses must be copied into the image before this line."


def _python(contents: Contents) -> str:
    """The last number of a distribution's own python may not exist as a conda package."""
    found = _VERSION.match(contents.python)
    return f"python={found[0]}" if found else "python"


def _solved(contents: Contents, verb: str, specs: Sequence[str]) -> Iterator[str]:
    """What has no address is looked for in the channels of the file."""
    channels = [public(each) for each in contents.declared.channels if each != "nodefaults"]
    options = [f"--channel {shlex.quote(each)}" for each in channels or ["conda-forge"]]
    words = " ".join((*options, "--override-channels", *map(shlex.quote, specs)))
    yield _run(
        f"micromamba {verb} --yes --name {_NAME} {words}",
        "micromamba clean --all --yes",
    )


# --- pip ------------------------------------------------------------------------------------------


def _pip(contents: Contents) -> Iterator[str]:
    packages = [each for each in own(contents.now).values() if each.kind == "python"]
    elsewhere = {each.package.key: each.where for each in contents.direct}
    lines = [_line(each, elsewhere) for each in packages if plain(each.name) != "pip"]
    for each in packages:
        if not elsewhere.get(each.key, "index"):
            yield f"# {each.name} {each.version} came from a folder or file of the host: add it."
    if any(" @ git+" in each for each in lines):
        yield "# The addresses that begin with git+ need git, which the image does not have."
    wanted = sorted(each for each in lines if each)
    if not wanted:
        return
    yield from _listed("requirements.txt", [*_options(contents), *wanted])
    yield _run(
        f"micromamba run --name {_NAME} python -m pip install --no-cache-dir --no-deps "
        "--requirement requirements.txt",
        "rm requirements.txt",
    )


def _line(package: Package, elsewhere: dict[tuple[str, str], str]) -> str:
    where = elsewhere.get(package.key)
    if where is None:
        return f"{package.name}=={package.version}"
    return f"{package.name} @ {where}" if where else ""


def _options(contents: Contents) -> Iterator[str]:
    """Where pip looked; without the credentials, as everything here."""
    lines = [each for each in contents.declared.pip if _OPTIONS.fullmatch(each)]
    if contents.pip_index and not any(re.match(r"-i|--index-url", each) for each in lines):
        yield f"--index-url {public(contents.pip_index)}"
    yield from (public(each) for each in lines)


# --- the form -------------------------------------------------------------------------------------


def _listed(file: str, lines: Sequence[str]) -> Iterator[str]:
    for begin in range(0, len(lines), _CHUNK):
        quoted = (f"      {shlex.quote(each)} \\" for each in lines[begin : begin + _CHUNK])
        yield "\n".join(["RUN printf '%s\\n' \\", *quoted, f"      >> {file}"])


def _run(*commands: str) -> str:
    return "RUN " + " \\\n    && ".join(commands)


def _variables(declared: Declared) -> Iterator[str]:
    for name, value in declared.variables:
        if not _VARIABLE.fullmatch(name):
            continue
        if _SECRET.search(name) or public(value) != value:
            yield f"# {name} is left out, it may be a secret: give it to docker run with --env."
        elif value.isprintable():
            yield f'ENV {name}="{_escaped(value)}"'
        else:
            yield f"# {name} is left out: its value cannot be written in a Dockerfile."


def _escaped(value: str) -> str:
    return re.sub(r'(["\\$])', r"\\\1", value)
