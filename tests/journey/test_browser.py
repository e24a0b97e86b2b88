"""A person's browser on the workspace, through the tunnel: a new notebook, a cell, its result."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import browser
from tests.support.jupyter_env import jupyter_env
from tests.support.lab import running_lab

__all__ = ["jupyter_env"]

pytestmark = pytest.mark.skipif(browser.chromium() is None, reason="no chromium on this machine")


@pytest.mark.timeout(300)  # about 20 s; two minutes on a machine that is busy with other things
def test_a_cell_in_a_new_notebook_gives_its_result_through_the_tunnel(
    jupyter_env: Path, short_tmp: Path
) -> None:
    with running_lab(short_tmp) as lab:
        lab.laptop.ok("up", "gpubox", "-d", "--use-env", str(jupyter_env))
        url = lab.laptop.ok("url").out.strip()
        with browser.open_lab(url, short_tmp) as page:
            browser.new_notebook(page)
            assert browser.run_cell(page, "6*7") == "42"
            assert browser.run_cell(page, "import sys; print(sys.prefix)") == str(jupyter_env)
            with pytest.raises(AssertionError, match="not within"):
                page.wait_for("document.querySelector('#no-such-thing') !== null", timeout=1.0)
        lab.laptop.ok("down", "--yes")


@pytest.mark.timeout(120)  # about 15 s
def test_two_workspaces_in_one_browser_stay_logged_in_both(
    jupyter_env: Path, short_tmp: Path
) -> None:
    """Browsers do not separate cookies by port; each workspace has a base_url of its own."""
    with running_lab(short_tmp) as lab, browser.open_page(short_tmp) as page:
        urls = []
        for name in ("one", "two"):
            lab.laptop.ok("up", "gpubox", "-d", "--name", name, "--use-env", str(jupyter_env))
            urls.append(lab.laptop.ok("url", f"gpubox/{name}").out.strip())
        for url in urls:
            page.goto(url)
        for url in (*urls, *urls):
            address = url.partition("?")[0]
            page.goto(address)
            assert page.evaluate(STATUS) == 200
            assert page.evaluate("location.href") == address
        page.command("Network.clearBrowserCookies")
        assert page.evaluate(STATUS) == 403
        lab.laptop.ok("down", "gpubox", "--all", "--yes")


STATUS = "fetch(location.pathname.replace(/lab$/, 'api/status')).then(a => a.status)"
