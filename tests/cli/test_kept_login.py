"""A login that needs a person is asked for once, kept for a while, and ended by a verb."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.test_contract import failure
from tests.support.lab import Lab, running_lab, short_folder
from tests.support.pam import LINES, Pam, pam

CODES = tuple(f"{code}" for code in range(100_000, 100_020))
METHODS = "AuthenticationMethods publickey,keyboard-interactive"


@pytest.fixture(scope="module")
def codes() -> Iterator[tuple[Lab, Pam]]:
    """A host that wants a key and a one-time code, each of which is good for one login."""
    with short_folder() as folder:
        asks = pam(folder / "pam", *CODES, once=True)
        with running_lab(folder, lines=(*LINES, METHODS), place=asks.place) as lab:
            yield lab, asks


@pytest.fixture
def box(codes: tuple[Lab, Pam]) -> Iterator[Lab]:
    """Nobody is logged in, before and after."""
    lab, _ = codes
    yield lab
    lab.laptop.ok("hosts", "logout")
    assert lab.laptop.keepers() == []


def typed(lab: Lab, *words: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-m", "gpuws", *words],
        cwd=str(lab.laptop.project),
        env={**lab.laptop.env, "TERM": "dumb", "NO_COLOR": "1"},
        dimensions=(24, 200),
        encoding="utf-8",
        timeout=20,
    )


def with_a_code(lab: Lab, *words: str) -> tuple[int | None, str]:
    """(exit code, what it said) of a command that asks for a code."""
    child = typed(lab, *words)
    child.expect("Password: ")
    child.sendline((lab.home.parent / "pam" / "secrets").read_text().split()[0])
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or ""


def test_a_code_is_asked_once_and_every_other_verb_uses_that_login(box: Lab) -> None:
    """Row 23: asked once a day, not once a verb."""
    before = box.server.accepted()
    code, said = with_a_code(box, "env", "list", "gpubox")
    assert code == 0, said
    assert "stays logged in to gpubox until" in said and "8 h after its last use" in said
    box.laptop.ok("env", "list", "gpubox")
    (host,) = box.laptop.ok("--json", "status", "gpubox").data()["hosts"]
    assert host["reachable"]
    assert 8 * 3600 - 60 < host["kept_until"] - time.time() <= 8 * 3600
    assert "`gpuws hosts logout gpubox` ends it" in box.laptop.ok("status", "gpubox").out
    assert box.server.accepted() == before + 1
