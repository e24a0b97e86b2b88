"""A headless Chromium, driven over its DevTools websocket: what a person does in JupyterLab."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import websocket

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--no-proxy-server --disable-background-networking --disable-component-update --disable-sync "
    "--disable-extensions --window-size=1400,1000 --remote-debugging-port=0"
)


def chromium() -> str | None:
    """The browser of this machine, or None (Debian: apt-get install chromium)."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Page:
    """One tab. Every wait ends after ``timeout`` seconds with what the page shows by then."""

    def __init__(self, address: str, timeout: float = 60.0) -> None:
        self._timeout = timeout
        self._number = 0
        self._socket = websocket.create_connection(
            address, timeout=timeout, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )

    def close(self) -> None:
        self._socket.close()

    def goto(self, url: str) -> None:
        answer = self.command("Page.navigate", url=url)
        assert "errorText" not in answer, answer

    def evaluate(self, script: str) -> object:
        """The value of a JavaScript expression in the page; a promise is awaited."""
        answer = self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result.get("value")

    def wait_for(self, script: str, timeout: float | None = None, *, every: float = 0.1) -> object:
        """Ask ``every`` so many seconds until the expression is true; its value."""
        patience = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):  # the page is between two documents
                if value := self.evaluate(script):
                    return value
            time.sleep(every)
        seen = self.evaluate("location.pathname + ': ' + document.body.innerText.slice(0, 600)")
        raise AssertionError(f"not within {patience:.0f} s: {script}\nthe page shows {seen}")

    def click(self, selector: str) -> None:
        """Click where the element is, as a mouse does."""
        quoted = json.dumps(selector)
        self.wait_for(f"document.querySelector({quoted}) !== null")
        place = self.evaluate(
            f"(() => {{ const r = document.querySelector({quoted}).getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        assert isinstance(place, list)
        for kind in ("mousePressed", "mouseReleased"):
            self.command(
                "Input.dispatchMouseEvent",
                type=kind, x=place[0], y=place[1], button="left", clickCount=1,
            )  # fmt: skip

    def write(self, text: str) -> None:
        """Into whatever has the focus."""
        self.command("Input.insertText", text=text)

    def shift_enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8}
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, **key)

    def command(self, method: str, **parameters: object) -> dict[str, object]:
        """One DevTools command and its result; events in between are dropped."""
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, object] = answer["result"]
                return result


@contextlib.contextmanager
def open_page(folder: Path, timeout: float = 60.0) -> Iterator[Page]:
    """A browser with a profile of its own below ``folder``, ended with the block."""
    binary = chromium()
    assert binary, "no chromium"
    profile = folder / "chromium"
    profile.mkdir()
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [binary, *_FLAGS.split(), f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(profile), "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
            start_new_session=True,
        )
    try:
        page = Page(_address(profile, process, timeout), timeout)
        try:
            yield page
        finally:
            page.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group that this call started
        process.wait()


def _address(profile: Path, process: subprocess.Popen[bytes], timeout: float) -> str:
    """The first tab's websocket, from the port that the browser wrote into its profile."""
    written = profile / "DevToolsActivePort"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        assert process.poll() is None, (profile.parent / "chromium.log").read_text()[-2000:]
        if written.exists() and (port := written.read_text().split("\n")[0]):
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError(f"chromium did not open a tab within {timeout:.0f} s")


# --- JupyterLab -----------------------------------------------------------------------------------


@contextlib.contextmanager
def open_lab(url: str, folder: Path, timeout: float = 60.0) -> Iterator[Page]:
    """JupyterLab at ``url`` (with its token), waited for until its launcher or a document shows."""
    with open_page(folder, timeout) as page:
        page.goto(url)
        page.wait_for("document.querySelector('#jp-main-dock-panel .lm-Widget') !== null")
        page.wait_for("document.querySelector('#jupyterlab-splash') === null")
        yield page


def new_notebook(page: Page) -> None:
    """From the launcher, with the first kernel that is offered, waited for until it is idle.

    JupyterLab drops what is run while it still connects to the kernel.
    """
    page.click('.jp-LauncherCard[data-category="Notebook"]')
    page.wait_for("document.querySelector('.jp-Notebook .jp-CodeCell .cm-content') !== null")
    page.wait_for(
        "document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]') !== null"
    )


def run_cell(page: Page, code: str, timeout: float = 60.0) -> str:
    """Write ``code`` into the last cell of the notebook that is open, run it, and give its output.

    JupyterLab may reload a notebook it has just made and start its kernel a second time: the cell
    is then empty and unnumbered again, whatever had been typed or run. So, as a person would, this
    looks whether it came through, and repeats while the cell has no number. The output is read
    once the kernel has numbered the cell, so it is never an old one.
    """
    cells = "[...document.querySelectorAll('.jp-Notebook .jp-CodeCell')]"
    number = page.evaluate(f"{cells}.length")
    assert isinstance(number, int)
    cell = f"{cells}[{number - 1}]"
    prompt = f"{cell}.querySelector('.jp-InputPrompt').innerText.trim()"
    deadline = time.monotonic() + timeout
    while not (_starts(page, cell, prompt, code) and _ends(page, prompt, deadline)):
        assert time.monotonic() < deadline, f"{code!r} did not run within {timeout:.0f} s"
    output = page.evaluate(
        f"[...{cell}.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n')"
    )
    return str(output).strip()


def _starts(page: Page, cell: str, prompt: str, code: str) -> bool:
    """One try to write and run; whether the cell's prompt stopped being empty within 3 s."""
    page.evaluate(f"{cell}.querySelector('.cm-content').focus()")
    text = f"[...{cell}.querySelectorAll('.cm-line')].map(l => l.textContent).join('\\n')"
    if page.evaluate(text) != code:
        page.evaluate("document.execCommand('selectAll')")
        page.write(code)
    try:
        page.wait_for(f"{text} === {json.dumps(code)}", timeout=1.0)
        page.shift_enter()
        page.wait_for(f"{prompt} !== '[ ]:'", timeout=3.0)
    except AssertionError:
        return False
    return True


def _ends(page: Page, prompt: str, deadline: float) -> bool:
    """Wait while the kernel is at work; whether it numbered the cell, False where it was reset."""
    page.wait_for(f"{prompt} !== '[*]:'", timeout=max(deadline - time.monotonic(), 0.1))
    return bool(page.evaluate(f"/^\\[\\d+\\]:$/.test({prompt})"))
