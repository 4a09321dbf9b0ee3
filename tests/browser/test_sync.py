"""A person presses Sync and watches: the dialog, the progress that moves by itself, the invoice in the table without a reload."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import running_app, visiting
from tests.jobs import working
from w365core.jobs.context import Context


def test_a_sync_is_asked_for_watched_and_shown(browser: Browser, context: Context, database_url: str, tmp_path: Path):
    estate = estates.Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    with (
        estates.serve(estate, "throttle:3@blobx1") as served,
        running_app(database_url, tmp_path / "web.log") as address,
        visiting(browser, address) as visit,
    ):
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        page = visit.open()
        page.get_by_role("button", name="Sync").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("Imports what is new of its latest invoice month")).to_be_visible()
        dialog.get_by_role("button", name="Sync now").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_text("Sync of csp: waits for the worker")).to_be_visible()
        expect(page.get_by_text("No worker is there to do it")).to_be_visible()
        with working.worker(configured, tmp_path / "worker.log", W365_HTTP_TRIES="4"):
            expect(page.get_by_text("G1: importing")).to_be_visible()
            expect(page.get_by_text("Invoice G1 is Active, 8 lines.")).to_be_visible()
        expect(page.get_by_text("No worker is there to do it")).to_have_count(0)
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        page.get_by_role("button", name="Close").click()
        expect(page.get_by_text("Invoice G1 is Active")).to_have_count(0)
        assert visit.strangers == []
