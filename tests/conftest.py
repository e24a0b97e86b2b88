"""Rules of every run: short temporary folders, no unlisted skip, nothing left running."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import leftovers, outcomes

SHORT = Path(tempfile.gettempdir()) if os.name == "nt" else Path("/tmp")
OWN_BASE = pytest.StashKey[Path]()
LEFT = pytest.StashKey[list[str]]()


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder of 20 bytes or less for Unix sockets, whose paths end at 107; removed after."""
    folder = Path(tempfile.mkdtemp(prefix="g-", dir=SHORT))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# --- the run's own folder -------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT] = []
    if config.option.basetemp is None and not _is_worker(config):
        config.stash[OWN_BASE] = Path(tempfile.mkdtemp(prefix="gw-", dir=SHORT))
        config.option.basetemp = str(config.stash[OWN_BASE])
    if _is_worker(config) or not _has_workers(config):
        os.environ[leftovers.MARK] = secrets.token_hex(8)  # inherited by whatever the tests start


def pytest_unconfigure(config: pytest.Config) -> None:
    base = config.stash.get(OWN_BASE, None)
    if base is None or not base.exists():
        return
    if getattr(config, "gpuws_failed", False):
        sys.stderr.write(f"the tests' folders are kept in {base}\n")
    else:
        shutil.rmtree(base, ignore_errors=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _has_workers(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "tx", None) or getattr(config.option, "numprocesses", None))


# --- what the run must not leave or skip ----------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if os.environ.get(leftovers.MARK):
        config.stash[LEFT] += leftovers.end_and_name(os.environ[leftovers.MARK])
    if _is_worker(config):
        config.workeroutput["left"] = config.stash[LEFT]  # type: ignore[attr-defined]
        return
    _judge(session)
    config.gpuws_failed = session.exitstatus != 0  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    config.stash[LEFT] += getattr(node, "workeroutput", {}).get("left", [])


def _judge(session: pytest.Session) -> None:
    """A required run (CI=true, root) fails on an unlisted skip; any CI run on a process left."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return
    rows = outcomes.rows(reporter.stats)
    if os.environ.get("GPUWS_RESULTS"):
        Path(os.environ["GPUWS_RESULTS"]).write_text(json.dumps(rows, indent=1) + "\n")
    complaints = [f"left running: {each}" for each in session.config.stash[LEFT]]
    if _everything_is_here():
        complaints += outcomes.unlisted(rows)
    session.config.stash[LEFT] = complaints
    if complaints and os.environ.get("CI") and session.exitstatus == 0:
        session.exitstatus = 1


def _everything_is_here() -> bool:
    return bool(os.environ.get("CI")) and hasattr(os, "geteuid") and os.geteuid() == 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    complaints = terminalreporter.config.stash[LEFT]
    if complaints:
        terminalreporter.section("what this run left or skipped")
        for each in complaints:
            terminalreporter.line(each)
