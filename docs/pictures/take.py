"""Takes the pictures of the pages, light and dark, at 1440x900: `python docs/pictures/take.py http://127.0.0.1:8501`.

The app runs already, with the demo in it (`python -m w365core up --demo`). Needs playwright and a Chromium on PATH (or in W365_CHROMIUM).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).parent
PAGES = {"invoice-status": "/"}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MOST_BYTES = 300_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8501", help="where the app runs")
    parser.add_argument("--only", choices=sorted(PAGES), help="one page instead of all")
    given = parser.parse_args()
    chromium = os.environ.get("W365_CHROMIUM") or next((path for path in map(shutil.which, NAMES) if path), None)
    if chromium is None:
        print("No Chromium found on PATH; install one, or set W365_CHROMIUM to its path.", file=sys.stderr)
        return 4
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, path in PAGES.items():
            if given.only in (None, name):
                for theme in ("light", "dark"):
                    print(_take(browser, f"{given.address.rstrip('/')}{path}", FOLDER / f"{name}-{theme}.png", theme))
        browser.close()
    return 0


def _take(browser: Browser, url: str, target: Path, theme: str) -> str:
    """One picture, when the page has come to rest."""
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=theme)
    page.goto(url)
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_selector("[data-testid=stStatusWidget]", state="detached", timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('.js-plotly-plot .main-svg') && !document.querySelector('[data-testid=stSkeleton]')", timeout=60_000
    )
    page.wait_for_timeout(1_500)
    page.screenshot(path=target)
    page.close()
    size = target.stat().st_size
    return f"{target.name}: {size:,} bytes{' - too large' if size > MOST_BYTES else ''}"


if __name__ == "__main__":
    raise SystemExit(main())
