"""What the consoles of providers print, and what of it hosts.yaml keeps."""

from __future__ import annotations

import pytest

from gpuws.config.ssh_line import SshLine, read_ssh_line
from gpuws.errors import GpuwsError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ssh -p 52979 root@host.example", SshLine("root@host.example", 52979)),
        (
            "ssh root@203.0.113.4 -p 4242 -i ~/.ssh/id_ed25519",
            SshLine("root@203.0.113.4", 4242, "~/.ssh/id_ed25519"),
        ),
        ('ssh -i "/keys/my key.pem" ubuntu@h', SshLine("ubuntu@h", None, "/keys/my key.pem")),
        ("ssh://root@host.example:40022", SshLine("root@host.example", 40022)),
        ("ssh://root@[2001:db8::7]:22", SshLine("root@[2001:db8::7]", 22)),
        ("root@host.example -p4242", SshLine("root@host.example", 4242)),
        ("/usr/bin/ssh -l root h -J me@b:2200,c", SshLine("root@h", None, None, "me@b:2200,c")),
        ("ssh -oPort=7 -o User=u -o 'IdentityFile /k' h", SshLine("u@h", 7, "/k")),
        ("ssh -p 1 -p 2 h", SshLine("h", 1)),
        ("ssh -tt -4 h", SshLine("h")),
    ],
)
def test_a_console_line_is_read_as_ssh_reads_it(line: str, expected: SshLine) -> None:
    assert read_ssh_line([line]) == expected


def test_words_that_the_shell_has_split_are_the_same_line() -> None:
    assert read_ssh_line(["ssh", "-i", "my key", "h"]) == SshLine("h", None, "my key")


def test_forwards_and_what_gpuws_does_its_own_way_are_left_out_and_told() -> None:
    found = read_ssh_line(
        ["ssh -NfL 8080:localhost:8080 -D1080 h -o StrictHostKeyChecking=no -R 1:b:2"]
    )
    assert found.ssh == "h"
    told = [note.partition(" (")[0] for note in found.notes]
    assert told == [
        "left out: -L 8080:localhost:8080",
        "left out: -D 1080",
        "left out: -o StrictHostKeyChecking",
        "left out: -R 1:b:2",
    ]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("", "missing"),
        ("ssh", "missing"),
        ("ssh -p 22", "no host"),
        ("ssh h nvidia-smi", "nvidia-smi"),
        ("ssh -W a:1 h", "-W"),
        ("ssh -Z h", "-Z"),
        ("ssh -F file h", "-F"),
        ("ssh -o ProxyCommand=x h", "ProxyCommand"),
        ("ssh -o Port h", "-o Port"),
        ("ssh -p 70000 h", "70000"),
        ("ssh h -p", "-p without a value"),
        ("ssh 'h", "quote"),
        ("ssh 'h;reboot'", "h;reboot"),
        ("ssh -- -oProxyCommand=x", "ProxyCommand"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(line: str, named: str) -> None:
    with pytest.raises(GpuwsError) as caught:
        read_ssh_line([line])
    assert caught.value.code == "usage"
    assert named in caught.value.message
    assert caught.value.hint
