"""Running a verb for a person: in a keeper or here, with signals, keys and the browser."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuws.errors import GpuwsError
from gpuws.keeper import client
from gpuws.keeper import wire as wires
from gpuws.keeper.client import Starting, Talk
from gpuws.keeper.kept import PersonWanted
from gpuws.keeper.wire import Wire
from gpuws.options import Options
from gpuws.plan.healing import words
from gpuws.plan.model import Secret
from gpuws.plan.requests import Caller, Reach, Request, WorkspaceRequest
from gpuws.report import Plain, facts_of, forwards_of

if TYPE_CHECKING:
    from gpuws.panel import Live


class _HangUp(BaseException):
    """The terminal is gone: the keeper keeps the tunnel, as with --detach."""


class _Terminate(BaseException):
    """SIGTERM."""


@contextmanager
def _signals() -> Iterator[None]:
    def raising(kind: type[BaseException]) -> Callable[..., None]:
        def handler(*_: object) -> None:
            raise kind

        return handler

    wanted = {"SIGTERM": _Terminate, "SIGHUP": _HangUp}
    before = {
        number: signal.signal(number, raising(kind))
        for name, kind in wanted.items()
        if (number := getattr(signal, name, None)) is not None
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keeper(host: str, options: Options) -> Starting:
    """The host's keeper, started before anything else is read: it takes the longest."""
    config = str(Path(options.ssh_config).absolute()) if options.ssh_config else None
    return Starting(wires.key_of(host, config, options.port))


def open_workspace(
    verb: str,
    request: Request,
    person: Plain,
    *,
    detach: bool,
    browser: bool,
    keeper: Starting | None = None,
) -> dict[str, Any]:
    """`up`, `attach` and, always detached, `forward`. Returns when it is ready (detached) or has
    been left."""
    keeper = keeper or Starting(client.keeper_key(request.reach))
    talk = Talk(keeper.wire(), person)
    result: dict[str, Any] | None = None
    with _signals():
        try:
            talk.send(verb, request, detach=detach)
            result = talk.result()
            if detach:
                if browser:
                    person.talk(_open_browser(request, result, life=10.0))
                return result
            _stay(talk, result, request, person, browser=browser)
            return result
        except _HangUp:
            talk.leave("detach")
            return result or {}
        except _Terminate:
            talk.leave("close")
            raise GpuwsError("terminated", "terminated; what runs on the host goes on") from None
        except KeyboardInterrupt:
            talk.leave("close")
            if result is None:
                raise interrupted(verb, request.reach) from None
            return result
        finally:
            talk.leave("close")
            person.close()


def interrupted(verb: str, reach: Reach) -> GpuwsError:
    return GpuwsError(
        "interrupted",
        f"interrupted; a build or a session that had begun on {reach.host} goes on there",
        hint=f"`gpuws {verb} {reach.host}` joins it; `gpuws down {reach.host}` ends it",
    )


def _stay(
    talk: Talk, result: dict[str, Any], request: Request, person: Plain, *, browser: bool
) -> None:
    """The foreground, until q or Ctrl-C; a lost connection is waited for."""
    from gpuws.panel import Live

    said = _open_browser(request, result) if browser else ""
    if not isinstance(person, Live):
        _tell_changes(talk, result, person)
    elif _show_panel(talk, result, request, person, said):
        return
    place = result["workspace"]
    raise GpuwsError(
        "connection-lost",
        f"the tunnel to {place} was closed by another command",
        hint=f"`gpuws attach {place}` opens the way again, if it still runs",
        retryable=True,
    )


def _tell_changes(talk: Talk, result: dict[str, Any], person: Plain) -> None:
    """A line for each change of the tunnel's state, until it is closed."""
    for label, value in (*facts_of(result), *forwards_of(result["forwards"])):
        person.talk(f"{label:12}{value}")
    person.talk("the tunnel stays open until Ctrl-C")
    before: tuple[str, int] | None = None
    while not (health := talk.health(1.0) or {}).get("lost"):
        if "state" not in health:
            continue
        now = (health["state"], health["reconnects"])
        if now != (before or ("open", now[1])):
            person.talk(f"tunnel: {words(health)}")
        before = now


def _show_panel(
    talk: Talk, result: dict[str, Any], request: Request, panel: Live, said: str
) -> bool:
    """Health and keys, until q (True) or until the tunnel is closed (False)."""
    keys = _Keys()
    health: dict[str, Any] = {}
    try:
        while not health.get("lost"):
            panel.watch(result, health, said)
            pressed = keys.pressed()
            if pressed == "q":
                return True
            said = _act(pressed, request, result, health.get("state", "open")) or said
            health = talk.health(0.1) or health
        return False
    finally:
        keys.close()


def _act(key: str, request: Request, result: dict[str, Any], state: str) -> str:
    if key in ("o", "c") and state != "open":
        return "not now: the connection is being made again"
    if key == "o":
        return _open_browser(request, result)
    if key == "c":
        return _copy(secret_url(request.reach, result["name"]))
    return ""


def secret_url(reach: Reach, name: str) -> Secret:
    """The URL with its token, asked of the keeper over its private socket."""
    wire = wires.dial(client.keeper_key(reach))
    if wire is None:
        raise GpuwsError("not-running", "no tunnel is open", hint=f"`gpuws attach {reach.host}`")
    talk = Talk(wire, Plain(quiet=True, no_input=True))
    with talk:
        talk.send("url", WorkspaceRequest(reach, Caller("", "", ""), name=name))
        return Secret(talk.result()["url"])


def _open_browser(request: Request, result: dict[str, Any], *, life: float = 0.0) -> str:
    """What was done, in words. ``life``: wait this many seconds for the browser to come, since
    the one-use address dies with this process; 0: the process stays, do not wait."""
    import os

    from gpuws.tunnel.opener import browser_available, open_browser

    if not result["url"]:
        return ""
    reason = browser_available(os.environ, sys.platform)
    if reason:
        return f"no browser here ({reason}): `gpuws url {result['workspace']}` prints the address"

    def launch(url: str) -> bool:
        import webbrowser

        return webbrowser.open(url)

    url = secret_url(request.reach, result["name"])
    if life:
        came = open_browser(url, launch, life=life)
        return "opened in the browser" if came else "the browser did not come; see `gpuws url`"
    threading.Thread(target=open_browser, args=(url, launch), daemon=True).start()
    return "opened in the browser"


def _copy(url: Secret) -> str:
    """Into the clipboard through the terminal (OSC 52), which also works over ssh."""
    import base64

    data = base64.b64encode(url.reveal().encode()).decode()
    sys.stderr.write(f"\x1b]52;c;{data}\x07")
    sys.stderr.flush()
    return "the URL with its token was given to the terminal's clipboard"


class _Keys:
    """Single key presses of the terminal; nothing where there is none."""

    def __init__(self) -> None:
        self._restore: Callable[[], None] = lambda: None
        if not sys.stdin.isatty() or sys.platform == "win32":
            return
        import termios
        import tty

        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        tty.setcbreak(fd)
        self._restore = lambda: termios.tcsetattr(fd, termios.TCSADRAIN, before)

    def pressed(self) -> str:
        """The key waiting, or ""."""
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.getwch() if msvcrt.kbhit() else ""
        import os
        import select

        if not sys.stdin.isatty():
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return os.read(sys.stdin.fileno(), 1).decode("utf-8", "replace") if ready else ""

    def close(self) -> None:
        self._restore()


def ask(verb: str, request: Request, person: Plain) -> dict[str, Any]:
    """Through the host's keeper when one lives (no second login), else in this process."""
    key = client.keeper_key(request.reach)
    wire = wires.dial(key)
    if wire is not None:
        return _there(verb, request, person, wire)
    try:
        return _here(verb, request, person)
    except PersonWanted:  # a login cannot be handed on, so it is made where it can stay
        return _there(verb, request, person, Starting(key).wire())


def _there(verb: str, request: Request, person: Plain, wire: Wire) -> dict[str, Any]:
    """In the keeper. Nothing is typed into a command before it runs: there may be a question."""
    talk = Talk(wire, person)
    talk.send(verb, request)
    idle = person.look_for_the_reader if verb == "logs" else None
    with talk, ExitStack() as typing:
        return talk.result(idle, begun=lambda: typing.enter_context(_typing(verb, request, talk)))


def one_shot(verb: str, request: Request, person: Plain) -> dict[str, Any]:
    """Any verb that leaves nothing open, in the command's main thread."""
    with _signals():
        try:
            return ask(verb, request, person)
        except _Terminate:
            raise GpuwsError("terminated", "terminated") from None
        except (KeyboardInterrupt, _HangUp):
            raise GpuwsError("interrupted", "interrupted") from None
        finally:
            person.close()


def _here(verb: str, request: Request, person: Plain) -> dict[str, Any]:
    from gpuws.keeper.forwards import HeldForwards
    from gpuws.keeper.line import Line
    from gpuws.keeper.verbs import perform
    from gpuws.keeper.world import real_world
    from gpuws.terminal import LocalTerminal

    line = Line(hands_over=person.answers)
    terminal = LocalTerminal(person)
    try:
        world = real_world(line, HeldForwards(line), person, person, terminal)
        return perform(verb, request, world)
    finally:
        terminal.close()
        line.close()


@contextmanager
def _typing(verb: str, request: Request, talk: Talk) -> Iterator[None]:
    """exec and shell: keystrokes go to the keeper while the command runs."""
    if verb not in ("exec", "shell"):
        yield
        return
    from gpuws.terminal import Typing

    raw = isinstance(request, WorkspaceRequest) and request.pty
    with Typing(talk.type, talk.resize, raw=raw):
        yield
