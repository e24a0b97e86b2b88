"""Scripts on the wire: composed from package files, quoted, framed by a random sentinel."""

from __future__ import annotations

import shlex
from functools import cache
from importlib import resources

from gpuws.errors import EXIT_OF, GpuwsError
from gpuws.plan.ports import Reply, Script

REMOTE_COMMAND = "exec /bin/sh -s"
"""Usually the only thing the login shell sees; bash, dash, zsh, fish and tcsh agree on it."""

_LONGEST_LINE = 60_000  # bytes; Linux takes 131,072 in one argument
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\!")  # means itself in every shell's '…'


@cache
def script(package: str, *names: str) -> Script:
    """lib.sh plus the named files of a package, e.g. ``script("gpuws.engines", "start.sh")``.

    A name may be "other.package:file.sh"; fragments come first, the main file last. What several
    of them need may be named by each: it is sent once.
    """
    whole = (name if ":" in name else f"{package}:{name}" for name in ("gpuws.host:lib.sh", *names))
    parts = [_read(*name.split(":")) for name in dict.fromkeys(whole)]
    return Script(names[-1], "".join(parts))


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def frame(program: Script, args: tuple[str, ...], sentinel: str) -> bytes:
    """The bytes for stdin of ``/bin/sh -s``: the framed script in a subshell."""
    quoted = " ".join(shlex.quote(arg) for arg in args)
    text = (
        f"printf '\\n%s begin\\n' {sentinel}\n"
        f"set -- {quoted}\n(\n{program.text}\n)\n"
        f"printf '\\n%s end %d\\n' {sentinel} $?\nexit 0\n"
    )
    return text.encode()


def on_the_line(framed: bytes) -> str | None:
    """The framed script inside the command itself, for any login shell; None where it is too long.

    It saves the round trip that stdin costs (a server opens a session with no window for it), and
    everybody on the host can read it in the process list.
    """
    text = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in framed)
    if len(text) > _LONGEST_LINE:
        return None
    return f"exec /bin/sh -c 'eval \"$(printf %b \"$1\")\"' sh '{text}'"


def unframe(out: bytes, sentinel: str, err: bytes = b"") -> Reply | None:
    """The reply between the sentinels, or None where the closing one never came."""
    mark = sentinel.encode()
    _, opened, rest = out.partition(b"\n" + mark + b" begin\n")
    body, closed, status = rest.rpartition(b"\n" + mark + b" end ")
    if not opened or not closed:
        return None
    word = status.split(b"\n", 1)[0].strip()
    if not word.isdigit() or len(word) > 3:
        return None
    return Reply(body.decode("utf-8", "replace"), int(word), err.decode("utf-8", "replace"))


def fields(reply: Reply, stage: str = "") -> dict[str, list[str]]:
    """``key<TAB>value`` lines as lists by key. A ``die`` line becomes the error it names."""
    answers: dict[str, list[str]] = {}
    for line in reply.out.split("\n"):
        key, tab, value = line.partition("\t")
        if tab:
            answers.setdefault(key, []).append(value)
    if "die" in answers:
        code, _, rest = answers["die"][-1].partition("\t")
        message, _, hint = rest.partition("\t")
        known = code if code in EXIT_OF else "remote-shell"
        raise GpuwsError(known, message, hint=hint, stage=stage, detail=reply.err[-4000:])
    if reply.status != 0:
        raise GpuwsError(
            "remote-shell",
            f"a step on the host ended with status {reply.status}",
            hint="run again with -vv to see each step",
            stage=stage,
            detail=(reply.err or _without_tokens(reply.out))[-4000:],
        )
    return answers


def _without_tokens(out: str) -> str:
    """An answer cut short is shown to people, and may have got as far as the secrets."""
    return "\n".join(line for line in out.split("\n") if not line.startswith("token\t"))
