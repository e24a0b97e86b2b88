"""Scripts that travel in the command line: they arrive whole under any login shell, or on stdin."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gpuws.host.demo_server import demo_server
from gpuws.host.probing import probe_script
from gpuws.host.script import fields
from gpuws.plan.ports import Host, Script
from tests.support.connected import connected
from tests.support.sshd import running_sshd

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
ON_STDIN = "exec /bin/sh -s"
ODD = (
    *("", " ", "a b", "'", "''", '"', '"$HOME"', "`id`", "$(id)", "\\", "\\\\", "\\n", "\\0101"),
    *("!", "!!", "a!b", "\n", "\n\n", "one\ntwo\n", "\t", "\r", "\x01\x7f", "%s", "%b%%", "-n"),
    *("*", "~", "{a,b}", "#", ";&|<>()", "ü", "日本語", "🚀", "\u00a0", "^a^b", "\\'", "'\\''"),
)
"""What some shell changes inside some kind of quotes."""


class Listed:
    """A login shell that writes down what it is told before it does it."""

    def __init__(self, folder: Path, does: str = 'exec /bin/sh -c "$2"') -> None:
        self._list = folder / "told"
        self._list.touch()
        self.path = folder / "shell"
        self.path.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$2\" >>'{self._list}'\n{does}\n")
        self.path.chmod(0o755)

    def told(self) -> list[str]:
        return self._list.read_text().split("\0")[:-1]


def main(text: str) -> Script:
    return Script("test", "main() {\n" + text + '\n}\nmain "$@" </dev/null\n')


def echoed(host: Host, *words: str) -> str:
    reply = host.run(main('for each; do printf "<%s>" "$each"; done; return 3'), *words,
                     in_sight=True)  # fmt: skip
    assert reply.status == 3
    return reply.out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_hands_script_and_arguments_over_whole(
    shell: str, tmp_path: Path
) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    listed = Listed(tmp_path, f'exec {path} -c "$2"')
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=str(listed.path)) as server,
        connected(server.config) as host,
    ):
        assert echoed(host, *ODD) == "".join(f"<{each}>" for each in ODD)
        every = bytes(range(1, 256)).decode("latin-1")
        assert echoed(host, every) == f"<{every}>"
        answers = fields(host.run(probe_script(), "", "", "0", "0", timeout=30, in_sight=True))
        assert answers["home"] == [str(tmp_path)]
    assert len(listed.told()) == 3
    assert ON_STDIN not in listed.told()


def test_the_system_shell_may_be_busybox(tmp_path: Path) -> None:
    """`printf %b` and `eval` are what the line needs of the host's own /bin/sh."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    other = f"printf '%s' \"$2\" | sed 's|^exec /bin/sh|exec {busybox} sh|'"
    swap = f'exec {busybox} sh -c "$({other})"'
    listed = Listed(tmp_path, swap)
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=str(listed.path)) as server,
        connected(server.config) as host,
    ):
        reply = host.run(main("readlink /proc/$$/exe"), in_sight=True)
        assert os.path.realpath(busybox) == reply.out.strip()
        assert echoed(host, *ODD) == "".join(f"<{each}>" for each in ODD)


ONLY_STDIN = f"""\
case $2 in
"{ON_STDIN}") exec /bin/sh -s ;;
*) echo "no such command here"; exit 1 ;;
esac"""
HANGING = f"""\
test "$2" = "{ON_STDIN}" && exec /bin/sh -s
cat"""


@pytest.mark.parametrize("does", [ONLY_STDIN, HANGING], ids=["refuses", "reads to the end"])
def test_a_shell_that_does_not_understand_gets_stdin_from_then_on(
    does: str, tmp_path: Path
) -> None:
    listed = Listed(tmp_path, does)
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=str(listed.path)) as server,
        connected(server.config) as host,
    ):
        assert echoed(host, "one") == "<one>"
        assert echoed(host, "two") == "<two>"
        assert host.calls == 2
    first, *others = listed.told()
    assert first != ON_STDIN
    assert others == [ON_STDIN, ON_STDIN]


def test_what_a_command_line_cannot_hold_travels_on_stdin(tmp_path: Path) -> None:
    listed = Listed(tmp_path)
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=str(listed.path)) as server,
        connected(server.config) as host,
    ):
        long = "x" * 70_000
        assert echoed(host, long) == f"<{long}>"
        assert echoed(host, "short") == "<short>"
    assert [each == ON_STDIN for each in listed.told()] == [True, False]


def test_a_script_that_was_not_said_to_be_public_is_on_no_command_line(tmp_path: Path) -> None:
    listed = Listed(tmp_path)
    with (
        running_sshd(tmp_path / "s", home=tmp_path, shell=str(listed.path)) as server,
        connected(server.config) as host,
    ):
        assert host.run(main("echo $1"), "secret").out == "secret\n"
    assert listed.told() == [ON_STDIN]


def test_a_server_that_is_no_openssh_gets_every_script_on_stdin(short_tmp: Path) -> None:
    show = main('tr "\\0" " " </proc/$$/cmdline')
    with (
        demo_server(short_tmp / "ssh", short_tmp / "home", embedded=True) as server,
        connected(server.ssh_config, server.alias) as host,
    ):
        assert host.run(show, in_sight=True).out == "/bin/sh -s "
