"""A host 100 ms away: what `attach` costs, with a server of few sessions, and what is in sight."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.lab import Lab, prefer_own_port, running_lab
from tests.support.outside import Notebook
from tests.support.wired import NAME, WHERE, Wire, jupyter_env, shared_wire, wire

__all__ = ["jupyter_env", "shared_wire", "wire"]

pytestmark = pytest.mark.timeout(120)

ROUND_TRIP = 0.1  # seconds


def attached(wire: Wire) -> tuple[float, int]:
    """A warm attach in a keeper of its own: seconds from its dial on, and calls."""
    wire.forget()
    answer = wire.lab.laptop.ok("--json", "attach", WHERE, "-d").data()
    return answer["timings"]["total_s"], answer["round_trips"]


def test_a_warm_attach_costs_at_most_six_and_a_half_round_trips(wire: Wire) -> None:
    """Told apart from the machine's own work by a long way: 500 ms."""
    attached(wire)  # the address book knows it now
    near = min(attached(wire)[0] for _ in range(3))
    wire.proxy.delay = 0.25
    far = min(attached(wire)[0] for _ in range(2))
    assert (far - near) / 0.5 <= 6.5


def test_a_warm_attach_is_one_login_one_session_and_two_calls(wire: Wire) -> None:
    attached(wire)
    wire.proxy.delay = ROUND_TRIP / 2
    logins = wire.lab.server.accepted()
    sessions = wire.lab.server.log().count("Starting session: ")
    assert attached(wire)[1] == 2
    assert wire.lab.server.accepted() - logins == 1
    assert wire.lab.server.log().count("Starting session: ") - sessions == 1


@contextlib.contextmanager
def address_book(wire: Wire, change: Callable[[dict[str, object]], object]) -> Iterator[None]:
    """Every record of the laptop changed."""
    file = wire.lab.laptop.folder / "state" / "workspaces.json"
    text = file.read_text()
    book = json.loads(text)
    for record in book["workspaces"]:
        change(record)
    file.write_text(json.dumps(book))
    try:
        yield
    finally:
        file.write_text(text)


STALE: dict[str, Callable[[dict[str, object]], object]] = {
    "no socket there": lambda record: record.update(socket="/nowhere/at/all"),
    "another base_url": lambda record: record.update(base_url="/w-0000000000000000/"),
    "another name": lambda record: record.update(name="other"),
    "nothing": lambda record: record.update(host="elsewhere"),
}


@pytest.mark.parametrize("stale", STALE)
def test_attach_works_whatever_the_address_book_says(wire: Wire, stale: str) -> None:
    attached(wire)
    wire.proxy.delay = ROUND_TRIP / 2
    wire.forget()
    with address_book(wire, STALE[stale]):
        wire.attach()
        assert wire.door.works()


# --- a host of its own ---------------------------------------------------------------------------


@contextlib.contextmanager
def far_lab(folder: Path, **more: object) -> Iterator[Lab]:
    with (
        running_lab(folder, **more) as lab,  # type: ignore[arg-type]
        FaultProxy(("127.0.0.1", lab.server.port), delay=ROUND_TRIP / 2) as proxy,
    ):
        lab.server.put_behind(proxy.port)
        yield lab


@pytest.mark.parametrize("allowed", [1, pytest.param(2, marks=pytest.mark.endurance)])
def test_up_attach_and_down_work_where_the_server_allows_few_sessions(
    allowed: int, jupyter_env: Path, short_tmp: Path
) -> None:
    with far_lab(short_tmp, lines=(f"MaxSessions {allowed}",)) as lab:
        laptop = lab.laptop
        laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env), "--name", NAME)
        laptop.ok("attach", WHERE, "-d")
        assert Notebook(laptop.ok("url").out.strip()).kernels() == []
        [host] = laptop.ok("--json", "status", "gpubox").data()["hosts"]
        assert [each["state"] for each in host["workspaces"]] == ["running"]
        assert laptop.ok("exec", WHERE, "--", "echo", "hello").out == "hello\n"
        assert laptop.ok("--json", "down", "--yes").data()["left"] == []


@contextlib.contextmanager
def command_lines(environ: bytes) -> Iterator[set[bytes]]:
    """Of every process with this in its environment while the block runs: each that was seen."""
    seen, over = set[bytes](), threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    with contextlib.suppress(OSError):
                        line = Path(entry.path, "cmdline").read_bytes()
                        if line not in seen and environ in Path(entry.path, "environ").read_bytes():
                            seen.add(line)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_no_secret_is_ever_in_a_command_line(jupyter_env: Path, short_tmp: Path) -> None:
    """Neither the token, nor what pass_env hands over, nor the lines of a prologue."""
    secrets = {"PASSED": "f0rty-tw0-passed", "SPOKEN": "f0rty-tw0-spoken"}
    entry = (
        "    pass_env: [PASSED]\n"
        f"    prologue: ['export SPOKEN={secrets['SPOKEN']}']\n"
    )  # fmt: skip
    with far_lab(short_tmp) as lab:
        laptop = lab.laptop
        prefer_own_port(laptop, entry)
        laptop.env["PASSED"] = secrets["PASSED"]
        with command_lines(str(short_tmp).encode()) as seen:
            laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env), "--name", NAME)
            laptop.ok("attach", WHERE, "-d")
            laptop.ok("status", "gpubox")
            asked = ('printf "%s %s" "$PASSED" "$SPOKEN"',)
            told = laptop.ok("exec", WHERE, "--", "sh", "-c", *asked).out
        token = (lab.root / "workspaces" / NAME / "token").read_text()
        assert Notebook(laptop.ok("url").out.strip()).kernels() == []
    assert told == " ".join(secrets.values())
    assert any(b"jupyterlab" in line for line in seen)
    assert any(b"gpuws.keeper" in line for line in seen)
    assert any(b"eval" in line and b"printf %b" in line for line in seen)  # a script in sight
    for secret in (token, *secrets.values()):
        for hidden in (secret, "".join(f"\\0{ord(each):03o}" for each in secret)):
            assert not [line for line in seen if hidden.encode() in line]
