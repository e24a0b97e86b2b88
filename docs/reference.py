"""Writes docs/reference/*.md from the program itself: `python3 dev.py docs`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gpuws.errors import EXIT_OF, Exit
from gpuws.host.ssh_config.keywords import DIRECTIVES, Directive
from gpuws.options import HELP
from gpuws.plan.doctor.finding import Check
from gpuws.plan.doctor.laptop import LAPTOP, Laptop
from gpuws.plan.doctor.seen import Examined
from gpuws.plan.doctor.table import HOST

AnyCheck = Check[Examined] | Check[Laptop]
FOLDER = Path(__file__).resolve().parent / "reference"
VERBS = (
    *("up", "attach", "down", "status", "url", "logs", "shell", "exec", "forward", "trust"),
    "doctor",
    *("hosts", "hosts show"),
    *(
        "env list",
        "env add",
        "env diff",
        "env export",
        "env gc",
        "env lock",
        "env pack",
        "env remove",
        "env rollback",
        "env unpack",
        "env update",
        "hosts add",
        "hosts logout",
        "demo",
    ),
)

MEANING = {
    Exit.OK: "done",
    Exit.BUG: "a fault of gpuws",
    Exit.USAGE: "the command line is wrong, or a question could not be asked",
    Exit.INPUT: "an ssh profile, hosts.yaml or environment file is wrong",
    Exit.AUTHENTICATION: "the login failed",
    Exit.HOST_KEY: "the host key is unknown, changed or revoked",
    Exit.NETWORK: "the host cannot be reached, or the connection went away",
    Exit.HOST_LACKS: "the host lacks something",
    Exit.ENVIRONMENT: "the environment could not be made",
    Exit.JUPYTER: "Jupyter did not start, or is not ours",
    Exit.CONFLICT: "locked, or in conflict with what is there",
    Exit.NOT_FOUND: "there is no such workspace, or it does not run",
    Exit.NOT_TRUSTED: "a project's own settings want something that was not agreed to",
    Exit.TUNNEL: "the tunnel could not be opened",
    Exit.SOME_FAILED: "some of several hosts failed",
    Exit.INTERRUPTED: "Ctrl-C before it was ready",
    Exit.TERMINATED: "SIGTERM",
}

_SSH_CONFIG = """\
# ssh_config

gpuws reaches a host as `ssh HOST` would: it asks `ssh -G`, and where there is no ssh program it
reads `~/.ssh/config` and `/etc/ssh/ssh_config` itself. What it then does not understand ends with
`profile-unsupported`, the feature's name, file and line; what ssh refuses, with
`profile-unreadable`. `gpuws hosts show HOST` has what counts for one host, and from which line.
"""


def commands() -> str:
    parts = ["# Commands\n", f"```\n{HELP}\n```\n"]
    for verb in VERBS:
        parts.append(f"## gpuws {verb}\n\n```\n{_help(verb)}\n```\n")
    return "\n".join(parts)


def _help(verb: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gpuws", *verb.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    return done.stdout.strip()


def exit_codes() -> str:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in MEANING.items()]
    return "\n".join(["# Exit codes\n", "| code | meaning |", "|---|---|", *rows, ""])


def errors() -> str:
    checks = {code: check for check in (*LAPTOP, *HOST) for code in (check.id, *check.codes)}
    checks |= {check.id: check for check in (*LAPTOP, *HOST)}
    rows = [
        f"| {_linked(name, checks.get(name))} | {int(code)} | {MEANING[code]} |"
        for name, code in EXIT_OF.items()
    ]
    head = (
        "# Error codes\n\nAs `--json` names them; they are stable. A link leads to the check of "
        "`gpuws doctor` that looks for it.\n"
    )
    return "\n".join([head, "| code | exit | kind |", "|---|---|---|", *rows, ""])


def _linked(code: str, check: AnyCheck | None) -> str:
    return f"[`{code}`](doctor.md#{check.id})" if check else f"`{code}`"


DOCTOR = """\
# gpuws doctor

`gpuws doctor HOST` looks for what is wrong with a host, or could be better, and says what to do;
`gpuws doctor` without a host looks at this laptop, without any network. It changes nothing: on the
host nothing is written, on the laptop only the host key that you say yes to. Where a `gpuws up`
has a connection open, that one is used.

Each check has a verdict. A **problem** keeps `gpuws up` from working, a **warning** some part of
it; **advice** is about what works and could be safer or better; **unknown** could not be asked.
The exit code is 0 without a problem, else that of the first one. `--json` gives `checks`: a list
of `id`, `title`, `verdict`, `seen`, `fix` and `docs`, in the order of this page, and `exit`.

The id of a finding is the check's, or the error code that `gpuws up` would end with.
"""


def doctor() -> str:
    parts = [DOCTOR, "# Of a host\n", *map(_check, HOST), "# Of the laptop\n"]
    return "\n".join([*parts, *map(_check, LAPTOP)])


def _check(check: AnyCheck) -> str:
    exit_ = int(EXIT_OF.get(check.id, check.exit))
    codes = ", ".join(f"`{each}`" for each in check.codes if each != check.id)
    also = f" Also as: {codes}." if codes else ""
    told = f"**{check.title}**, exit code {exit_} as a problem.{also}"
    return f"## {check.id}\n\n{told}\n\n{check.about}\n\nNext: {check.fix}\n"


def ssh_config() -> str:
    rows = [
        f"| `{each.name}` | {each.use.value} | {_remarks(each)} |"
        for each in sorted(DIRECTIVES, key=lambda each: each.name.lower())
    ]
    return "\n".join([_SSH_CONFIG, "| directive | gpuws | |", "|---|---|---|", *rows, ""])


def _remarks(directive: Directive) -> str:
    since = ".".join(map(str, directive.since))
    return "; ".join(
        part
        for part in (
            directive.note,
            f"also as {', '.join(directive.aliases)}" if directive.aliases else "",
            f"since OpenSSH {since}" if directive.since > (0, 0) else "",
        )
        if part
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in {
        "commands.md": commands(),
        "exit-codes.md": exit_codes(),
        "errors.md": errors(),
        "doctor.md": doctor(),
        "ssh-config.md": ssh_config(),
    }.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
