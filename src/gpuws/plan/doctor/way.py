"""The steps of the way to a host, in their order: the first error ends it, the later ones were not
reached. Pure."""

from __future__ import annotations

from collections.abc import Callable

from gpuws.errors import EXIT_OF, Exit
from gpuws.plan.doctor.finding import Check, Said, advice, ok, problem, warning
from gpuws.plan.doctor.seen import Examined, Failure

STEPS = ("profile", "jump", "name", "connection", "algorithms", "host-key", "login", "shell")
_BY_CODE = {
    "bad-host-string": "profile",
    "unknown-host": "profile",
    "profile-unreadable": "profile",
    "profile-unsupported": "profile",
    "name-not-resolved": "name",
    "jump-failed": "jump",
    "proxy-command-failed": "jump",
    "no-common-algorithm": "algorithms",
    "remote-shell": "shell",
    "remote-timeout": "shell",
}
_BY_EXIT = {
    Exit.NETWORK: "connection",
    Exit.HOST_KEY: "host-key",
    Exit.AUTHENTICATION: "login",
}


def step_of(code: str) -> str:
    """The step that an error of the way belongs to; "" for any other error."""
    return _BY_CODE.get(code) or _BY_EXIT.get(EXIT_OF[code], "")


def _codes(step: str) -> tuple[str, ...]:
    return tuple(code for code in EXIT_OF if step_of(code) == step)


def _ended_at(failure: Failure) -> str:
    """Behind the login every error is one of the shell that answers there, or does not."""
    if failure.inside:
        return "shell"
    return "jump" if failure.hop else step_of(failure.code)


Words = Callable[[Examined], str]


def _step(name: str, words: Words) -> Callable[[Examined], Said | None]:
    def judge(examined: Examined) -> Said | None:
        failure = examined.failure
        if failure is None:
            return ok(words(examined))
        ended = STEPS.index(_ended_at(failure))
        if STEPS.index(name) < ended:
            return ok(words(examined))
        if STEPS.index(name) > ended:
            return None
        return problem(failure.message, failure.hint, failure.code)

    return judge


def _target(examined: Examined) -> str:
    known = examined.profile
    return f"{known.user}@{known.hostname} port {known.port}" if known else examined.host


def _jump(examined: Examined) -> str:
    known = examined.profile
    if known and known.proxy_jump:
        return f"through {', '.join(known.proxy_jump)}"
    return "through a ProxyCommand" if known and known.proxy_command else "none is needed"


def _name(examined: Examined) -> str:
    known = examined.profile
    if known and (known.proxy_jump or known.proxy_command):
        return f"{known.hostname} is looked up behind the jump"
    return f"{known.hostname if known else examined.host} is known"


def _connection(_: Examined) -> str:
    return "an SSH server answers"


def _algorithms(examined: Examined) -> str:
    return examined.agreed.get("cipher") or "there are common ones"


def _host_key(examined: Examined) -> str:
    return f"{examined.agreed.get('host_key', 'its key')} is the one that is known"


def _login(examined: Examined) -> str:
    return f"as {examined.profile.user}" if examined.profile else "done"


def _shell(examined: Examined) -> str:
    return (examined.facts and examined.facts.shell) or "it runs our commands"


def _noise(examined: Examined) -> Said | None:
    if examined.facts is None:
        return None
    if not examined.noise:
        return ok("the shell's start-up files print nothing")
    return advice(f"a start-up file prints {examined.noise.splitlines()[0][:60]!r} to everybody")


def _silence(examined: Examined) -> Said | None:
    """Parts of the questions that ran into their deadline."""
    if examined.facts is None or examined.seen is None:
        return None
    silent = (*examined.facts.unanswered, *examined.seen.unanswered)
    if not silent:
        return ok("every question was answered in time")
    return warning(f"no answer in time about {', '.join(silent)}")


WAY: tuple[Check[Examined], ...] = (
    Check(
        "profile-unreadable",
        "ssh profile",
        "What `ssh HOST` would do can be resolved: the alias, its files, hosts.yaml's entry.",
        "`ssh -G HOST` shows what ssh makes of it",
        _step("profile", _target),
        codes=_codes("profile"),
    ),
    Check(
        "jump-failed",
        "jump hosts",
        "Each host of ProxyJump lets us in and lets us on, or the ProxyCommand runs. What fails at "
        "a jump host is told here, whatever it is.",
        "try each hop by hand: `ssh HOP`",
        _step("jump", _jump),
        codes=_codes("jump"),
    ),
    Check(
        "name-not-resolved",
        "name",
        "This laptop can turn the host's name into an address.",
        "check the spelling, the network and the VPN",
        _step("name", _name),
        codes=_codes("name"),
    ),
    Check(
        "connection-refused",
        "connection",
        "An SSH server answers at that address and port.",
        "check the port (`-p`), the VPN and that sshd runs there",
        _step("connection", _connection),
        codes=_codes("connection"),
    ),
    Check(
        "no-common-algorithm",
        "algorithms",
        "Laptop and server share a key exchange, a cipher and a kind of host key.",
        "the server is too old or too strict: ask its administrator",
        _step("algorithms", _algorithms),
        codes=_codes("algorithms"),
    ),
    Check(
        "host-key-unknown",
        "host key",
        "The server is the one that known_hosts knows. A changed or revoked key is never accepted.",
        "compare its fingerprint with the administrator's, then connect once with `ssh HOST`",
        _step("host-key", _host_key),
        codes=_codes("host-key"),
    ),
    Check(
        "authentication-failed",
        "login",
        "A key, an agent or a password opens the login.",
        "`ssh -v HOST` shows which keys are tried",
        _step("login", _login),
        codes=_codes("login"),
    ),
    Check(
        "remote-shell",
        "login shell",
        "The account has a shell that runs what we send, and no ForceCommand instead.",
        "`ssh HOST true` must end with status 0",
        _step("shell", _shell),
        codes=_codes("shell"),
    ),
    Check(
        "noisy-shell",
        "start-up files",
        "Start-up files such as ~/.bashrc print nothing without a terminal. gpuws is deaf to what "
        "they print; scp, sftp and rsync are not.",
        "put what prints behind `case $- in *i*) … esac` in that file",
        _noise,
    ),
    Check(
        "slow-answers",
        "answers in time",
        "No question hangs: a dead file server or a driver that hangs would delay everything.",
        "look on the host with `df` and `nvidia-smi`: what hangs there hangs here",
        _silence,
    ),
)
