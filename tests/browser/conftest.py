"""A real browser in front of the real app: one Chromium for all tests, one app process per database, every request on record."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A tab, what it asked of whom, and what it said."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> Page:
        self.page.goto(f"{self.address}/{query}")
        settled(self.page)
        return self.page

    @property
    def strangers(self) -> list[str]:
        """Requests that left this machine."""
        return [
            url for url in self.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).hostname != "127.0.0.1"
        ]


# A page has something to act on only when its script has ended: until then a widget may be drawn anew under the click.
_DRAWN = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    return app && app.dataset.testScriptState === "notRunning" && app.querySelector("h1, [data-testid=stAlert], [data-testid=stException], [data-testid=stMain] button");
}"""


def settled(page: Page) -> None:
    """Waits, as a person does, until the page has been drawn to its end."""
    page.wait_for_function(_DRAWN, timeout=120_000)


# Where there is no page of the app, as at the sign-in's own, there is nothing to wait for.
_AT_REST = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    return !app || app.dataset.testScriptState === "notRunning";
}"""


@pytest.fixture(scope="session", autouse=True)
def _acts_on_drawn_pages() -> Iterator[None]:
    """Nobody clicks while a page is being drawn anew, or what is not in view: what a test does waits for that, as a person does."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("click", "fill", "press", "check"):
            patched.setattr(Locator, name, _once_at_rest(getattr(Locator, name)))
        yield


def _once_at_rest(act: Callable[..., Any]) -> Callable[..., Any]:
    def acting(locator: Locator, *said: Any, **told: Any) -> Any:
        locator.scroll_into_view_if_needed()  # a list that opens under the click closes when the page scrolls
        locator.page.wait_for_function(_AT_REST, timeout=120_000)
        return act(locator, *said, **told)

    return acting


@contextmanager
def downloading(page: Page) -> Iterator[Any]:
    """Playwright's own `expect_download`, once the page has been drawn: a button that is drawn anew under the click gives no file."""
    settled(page)
    with page.expect_download() as taken:
        yield taken


def found_browser() -> str | None:
    named = os.environ.get("W365_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = found_browser()
    if path is None:
        pytest.fail("The browser tests need Chromium and found none on PATH; `make test` installs one, or set W365_CHROMIUM to its path.")
    with sync_playwright() as playwright:
        expect.set_options(timeout=90_000)  # a busy machine is slow, not wrong
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


@contextmanager
def running_app(database_url: str, log: Path, *, port: int = 0, **environment: str) -> Iterator[str]:
    """The app's address; the process is ended afterwards. `environment` is what it is told beside the database; without a port any free one."""
    port = port or free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("W365_", "STREAMLIT_"))}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**kept, "DATABASE_URL": database_url, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/healthz", process, log)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the app has ended: {log.read_text()}"
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the app does not answer: {log.read_text()}")


@contextmanager
def visiting(browser: Browser, address: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True, reduced_motion="reduce")
    context.set_default_timeout(90_000)
    visit = Visit(context.new_page(), address)
    context.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("websocket", lambda socket: visit.requests.append(socket.url))
    visit.page.on("dialog", lambda dialog: (visit.dialogs.append(dialog.message), dialog.dismiss()))
    try:
        yield visit
    finally:
        context.close()
