"""A person sees what failed, tries it again, watches it run without a reload, and takes a filtered history along as a link."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import downloading, running_app, visiting
from tests.jobs import working
from w365core.jobs.context import Context


def test_a_failed_job_is_tried_again_watched_and_found_in_the_history(
    browser: Browser, context: Context, database_url: str, tmp_path: Path
):
    estate, log = estates.Estate(tmp_path / "estate", client_secret=estates.SECRET), tmp_path / "worker.log"
    estates.two_invoices_worth(estate)
    with (
        estates.serve(estate, "refused-secret@tokenx1") as served,
        running_app(database_url, tmp_path / "web.log") as address,
        visiting(browser, address) as visit,
    ):
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        failed = working.queued(configured)
        with working.worker(configured, log):
            assert working.ended(configured, failed, log).state == "failed"
        page = visit.open("jobs")
        row = page.get_by_role("button", name="Retry")
        expect(row).to_have_count(1)
        row.click()
        page.get_by_role("dialog").get_by_role("button", name="Try again").click()
        expect(page.get_by_text(f"Queued as job {failed + 1}: Sync of csp, invoice G1.")).to_be_visible()
        expect(row).to_have_count(0)
        expect(page.get_by_text("waits for the worker")).to_be_visible()
        with working.worker(configured, log):
            expect(page.get_by_text("Nothing runs and nothing waits.")).to_be_visible()  # nobody has reloaded the page
        assert working.job(configured, failed + 1).message == "Invoice G1 is Active, 8 lines."
        page = visit.open("jobs?job_state=Failed")
        expect(page.get_by_test_id("stMultiSelect").first).to_contain_text("Failed")
        with downloading(page) as taken:
            page.get_by_role("button", name="CSV").last.click()
        rows = Path(taken.value.path()).read_text(encoding="utf-8-sig").splitlines()
        assert len(rows) == 2 and rows[1].startswith(f"{failed},") and "Sync of csp, invoice G1" in rows[1]
        assert visit.strangers == []
