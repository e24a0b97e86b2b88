"""An entry put into somebody's hosts.yaml: the lines that were there stay as they were."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gpuws.config.host_lines import write_entry
from gpuws.errors import GpuwsError

VALUES: dict[str, str | int] = {"ssh": "root@h", "port": 7, "known_hosts": "known_hosts/r"}
NEW = ["  r:", "    ssh: root@h", "    port: 7", "    known_hosts: known_hosts/r"]
BROKEN = "  old:\n    colour: red\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ["hosts:", *NEW]),
        ("# mine", ["# mine", "hosts:", *NEW]),
        ("hosts: # none yet\n", ["hosts: # none yet", *NEW]),
        ("hosts:\n  # big\n  lab: # x\n", ["hosts:", *NEW, "  # big", "  lab: # x"]),
        ("hosts:\n" + BROKEN, ["hosts:", *NEW, *BROKEN.splitlines()]),
        ("hosts:\n  r: # soon\n", ["hosts:", "  r: # soon", *NEW[1:]]),
        (
            "hosts:\n    r:\n        root: /w # kept\n        ssh: 'a@b' # old\n        port:\n",
            [
                *("hosts:", "    r:", "        known_hosts: known_hosts/r"),
                *("        root: /w # kept", "        ssh: root@h # old", "        port: 7"),
            ],
        ),
    ],
)
def test_an_entry_is_written_and_every_other_line_stays(
    tmp_path: Path, before: str, after: list[str]
) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(before)
    written = write_entry(path, "r", VALUES)
    assert path.read_text().splitlines() == after
    assert (written.entry.ssh, written.entry.port) == ("root@h", 7)


def test_a_file_of_windows_keeps_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_bytes(b"hosts:\r\n  r:\r\n    root: /w\r\n")
    write_entry(path, "r", {"ssh": "u@h"})
    assert path.read_bytes() == b"hosts:\r\n  r:\r\n    ssh: u@h\r\n    root: /w\r\n"


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "gpuws" / "hosts.yaml"
    write_entry(path, "r", VALUES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines() == ["hosts:", *NEW]


def test_a_value_that_yaml_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    written = write_entry(path, "r", {"ssh": "yes", "identity_file": "/it's # here"})
    assert written.entry.identity_file == "/it's # here"
    assert written.entry.ssh == "yes"


@pytest.mark.parametrize(
    "before",
    [
        "hosts: {}\n",
        "hosts:\n  r: {ssh: a}\n",
        "x: &a b\nhosts:\n  r:\n    ssh: *a\n",
        "hosts:\n  r:\n    ssh: >\n      a\n",
        "hosts:\n  r:\n    ssh: [a]\n",
        "hosts: [\n",
    ],
)
def test_a_form_that_cannot_be_edited_is_left_as_it_was(tmp_path: Path, before: str) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text(before)
    with pytest.raises(GpuwsError) as caught:
        write_entry(path, "r", VALUES)
    assert caught.value.code == "hosts-file-invalid"
    assert path.read_text() == before
