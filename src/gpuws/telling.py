"""How results and errors are told: data on stdout, as text or one JSON document; talk on stderr."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpuws.errors import Exit, GpuwsError
from gpuws.options import Options

if TYPE_CHECKING:
    from gpuws.report import Plain


class Telling:
    """One command under way: its verb, its global options, its exit code so far."""

    def __init__(self) -> None:
        self.command = ""
        self.options = Options()
        self.code = 0

    def person(self, *, live: bool = False) -> Plain:
        """Whom progress is shown to and questions are asked of."""
        from gpuws import report

        chosen = self.options
        on_terminal = sys.stderr.isatty() and sys.stdout.isatty() and not chosen.json
        if live and on_terminal and not chosen.quiet and chosen.verbose == 0:
            return report.live(no_input=chosen.no_input)
        return report.Plain(
            quiet=chosen.quiet,
            no_input=chosen.no_input,
            verbose=chosen.verbose,
            scripted=chosen.json,
        )

    def listener(self, hear: Callable[[bytes], None]) -> Plain:
        """The same person, for --json: what the verb prints goes to ``hear``."""
        from gpuws.listening import Listening

        chosen = self.options
        return Listening(
            hear,
            quiet=chosen.quiet,
            no_input=chosen.no_input,
            verbose=chosen.verbose,
            scripted=True,
        )

    def answer(self, data: dict[str, Any], *lines: str) -> None:
        """Data on stdout: one JSON document, or lines for a person."""
        if self.options.json:
            lines = (self._document(data=data),)
        for line in lines:
            _print(line)

    def _document(self, **content: dict[str, Any]) -> str:
        head = {"schema": "gpuws/1", "command": self.command, "ok": "data" in content}
        return json.dumps({**head, **content})

    # --- failures ------------------------------------------------------------------------------

    def run(self, command: Callable[[], int]) -> int:
        """The exit code. Whoever read stdout may be gone, as in `gpuws ls | head -1`: no fault."""
        self.code = 0
        try:
            return self._guarded(command)
        except BrokenPipeError:
            _silence_stdout()
            return self.code

    def _guarded(self, command: Callable[[], int]) -> int:
        """No traceback reaches a user, unless with --debug."""
        try:
            return command()
        except GpuwsError as error:
            return self._fail(error)
        except KeyboardInterrupt:
            return self._fail(GpuwsError("interrupted", "interrupted"))
        except BrokenPipeError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
                _silence_stdout()
                full = GpuwsError("usage", "the answer cannot be written: stdout is full")
                return self._fail(full)
            if self.options.debug:
                raise
            return self._fail(_bug(error))

    def _fail(self, error: GpuwsError) -> int:
        from gpuws.host.sanitise import sanitise
        from gpuws.keeper.conversation import error_data
        from gpuws.report import Plain

        ours = self.command == "exec" and error.exit not in (Exit.USAGE, Exit.INTERRUPTED)
        self.code = 255 if ours else int(error.exit)
        told = error_data(error)
        detail = told.pop("detail")
        if self.options.json:
            _print(self._document(error=told))
        talk = Plain().talk
        if detail:
            talk(sanitise(detail).rstrip())
        talk(f"error: {sanitise(error.message)}")
        if error.hint:
            talk(f"  next: {error.hint}")
        return self.code


def _bug(error: Exception) -> GpuwsError:
    return GpuwsError(
        "bug",
        f"this is a fault of gpuws: {type(error).__name__}: {error}",
        hint="run it again with --debug and report what it prints",
    )


def _print(text: str) -> None:
    from gpuws.report import encodable

    print(encodable(text, sys.stdout), flush=True)  # noqa: T201


def _silence_stdout() -> None:
    """The interpreter must not complain about the closed pipe at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# --- results as lines for a person ----------------------------------------------------------------


def ready_lines(result: dict[str, Any], *, left: bool) -> list[str]:
    """Of `up` and `attach`. ``left``: the tunnel goes on in the background."""
    place = result["workspace"]
    if not left:
        return [
            f"left {place}: Jupyter goes on; `gpuws attach {place}` opens the way again, "
            f"`gpuws down {place}` ends it"
        ]
    from gpuws.report import facts_of, forwards_of

    rows = [*facts_of(result), *forwards_of(result["forwards"])]
    after = f"`gpuws url {place}` prints the address with its token; `gpuws down {place}` ends it"
    return [*(f"{label:12}{value}" for label, value in rows), after]


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """Of `up --dry-run`."""
    moved = "unknown" if plan["move_mb"] is None else f"{plan['move_mb']:.1f} MB"
    return [
        f"{plan['workspace']}: nothing was touched; `up` would",
        *(f"  {step}" for step in plan["steps"]),
        *(f"  file     {path}" for path in plan["files"]),
        *(f"  process  {each}" for each in plan["processes"]),
        *(f"  port     {each}" for each in plan["ports"]),
        f"  to move  {moved}",
    ]


def down_lines(result: dict[str, Any]) -> list[str]:
    stopped = ", ".join(result["stopped"])
    return [
        f"stopped {stopped}" if stopped else "nothing was running",
        *(f"wrote   {path}" for path in result["snapshots"]),
        *(f"removed {path}" for path in result["removed"]),
        *(f"kept    {path}" for path in result["kept"]),
        *(f"LEFT    {item}" for item in result["left"]),
        *([] if result["left"] else ["nothing of the session is left on the host"]),
    ]


def forward_lines(listed: list[dict[str, Any]]) -> list[str]:
    """Of `forward ls`."""
    from gpuws.plan.forwards import words

    if not listed:
        return ["no forward beside Jupyter's; `gpuws forward HOST PORT` opens one"]
    return [f"{each['workspace']:24} {each['name']:14} {words(each)}" for each in listed]


def auto_lines(result: dict[str, Any]) -> list[str]:
    """Of `forward --auto`: what was opened, and what to type for the rest."""
    from gpuws.plan.codec import decode
    from gpuws.plan.open_ports import OpenPort, offer

    place = result["workspace"]
    if not result["ports"]:
        return [f"no process of {place} has opened a port that leads nowhere yet"]
    led = {each["remote"] for each in result["forwards"]}
    rest = [decode(OpenPort, each) for each in result["ports"] if each["remote"] not in led]
    return [
        *(opened_line(each) for each in result["forwards"]),
        *(f"{offer(each, place)} (process {each.pid}: {each.command})" for each in rest),
    ]


def opened_line(forward: dict[str, Any]) -> str:
    way = f"127.0.0.1:{forward['local_port']} leads to {forward['remote']}"
    return f"{forward['name']}: {way} of {forward['workspace']}"


def trust_lines(allowed: list[dict[str, Any]]) -> list[str]:
    told = []
    for each in allowed:
        told.append(f"trusted {each['file']} as it is now; it wants:")
        told += [f"  {line}" for line in each["wants"]] or ["  nothing that needs a yes"]
    return told


def environment_lines(result: dict[str, Any]) -> list[str]:
    """Of `env list`."""
    import time

    from gpuws.plan.inventory import size, whose

    found = result["environments"]
    place = f"{result['root']}/envs"
    if not found:
        return [f"{result['host']}: gpuws has made no environment in {place}"]
    shared = result.get("shared_root", "")
    place += f" and {shared}/envs" if shared else ""
    total = sum(each["kb"] for each in found)
    count = f"{len(found)} environment{'s' if len(found) > 1 else ''}"
    told = [f"{result['host']}: {count} in {place}, {size(total)}"]
    for each in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(each["created"] or 0))
        tool = f"{each['tool']} {each['version']}".strip()
        row = f"  {each['hash']}  {size(each['kb']):>8}  {when if each['created'] else '':16}"
        told.append(f"{row}  {tool:20}  {whose(each)}")
    return told


def removal_lines(result: dict[str, Any]) -> list[str]:
    """Of `env gc` and `env remove`."""
    from gpuws.plan.inventory import size

    would, removed, kept = result["would"], result["removed"], result["kept"]
    spare = [
        f"{'would remove' if result['dry_run'] else 'removed'} {each['count']} archive(s) of "
        f"packages on {'this laptop' if each['place'] == 'laptop' else 'the host'}, "
        f"{size(each['kb'])}"
        for each in result["archives"]
    ]
    if not (would or removed or kept or spare):
        return ["nothing to remove: every environment is in use, or kept for a rollback"]
    freed = [f"{size(result['kb'])} {'would be ' if would else ''}freed"] if result["kb"] else []
    return [
        *(f"would remove {path}" for path in would),
        *(f"removed {path}" for path in removed),
        *(f"KEPT    {each}" for each in kept),
        *spare,
        *freed,
    ]


def added_lines(result: dict[str, Any]) -> list[str]:
    """Of `env add`."""
    return [f"{result['file']}: {', '.join(result['added'])}", *beside_lines(result)]


def beside_lines(result: dict[str, Any]) -> list[str]:
    """Where an environment that was built for a workspace is used, or what switches to it."""
    place, made = result["workspace"], result["environment"]
    if result["beside"]:
        return [f"built beside; `gpuws up {place} --restart` switches {place} to it"]
    return [f"{place} runs in {made['prefix']}"]


def lock_lines(result: dict[str, Any]) -> list[str]:
    """Of `env lock` and `env update`: the whole, and what is new against the lock before."""
    from gpuws.plan.inventory import size

    conda, pip = result["conda"], result["pip"]
    told = f"{result['file']}: {conda + pip} packages for {result['platform']}"
    told += f" ({conda} by conda, {pip} by pip), {size(result['download_bytes'] // 1024)} to fetch"
    if result["first"]:
        return [told]
    changes = [
        *(f"+ {each}" for each in result["added"]),
        *(f"- {each}" for each in result["removed"]),
        *(f"~ {old} -> {new}" for old, new in result["changed"]),
    ]
    return [told, *(changes or ["nothing changed"])]


def packed_lines(result: dict[str, Any]) -> list[str]:
    """Of `env pack` into a file."""
    from gpuws.plan.inventory import size

    held, packed = size(result["bytes"] // 1024), size(result["archive_bytes"] // 1024)
    return [
        f"{result['file']}: {held} of {result['source']} for {result['platform']} in {packed}",
        f"`gpuws env unpack {result['file']} HOST` puts it on a host",
    ]


def unpacked_lines(result: dict[str, Any]) -> list[str]:
    """Of `env unpack` and `env pack --to`."""
    was_there = " (it was there already)" if result["action"] == "reused" else ""
    host, prefix = result["host"], result["prefix"]
    return [
        f"{host}: {prefix}{was_there}",
        f"`gpuws up {host}` finds it by the file that declares it; "
        f"`gpuws up {host} --use-env {prefix}` takes it as it is",
    ]


def added_host_lines(result: dict[str, Any]) -> list[str]:
    """Of `hosts add`."""
    name = result["name"]
    entry = ", ".join(f"{key}: {value}" for key, value in result["entry"].items() if value)
    done = {"created": "added", "renewed": "renewed", "unchanged": "as it was"}[result["action"]]
    return [
        f"{name} is {done} in {result['file']}: {entry}",
        f"{name} answers as {result['node']}, and runs commands",
        result["next"],
    ]
