"""A person chooses an invoice from what its provider lists and imports it; and decides of one that somebody else has changed meanwhile."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Locator, expect
from sqlalchemy import Engine, text

from tests import estates
from tests.browser.conftest import running_app, visiting
from tests.jobs import working
from tests.reports import builders as b
from w365core.jobs.context import Context
from w365core.store import transitions
from w365core.store.ledger import Who

_ROW = 35  # pixels of a table's row, the head's too


def test_an_invoice_is_chosen_from_what_its_provider_lists_and_imported(
    browser: Browser, context: Context, database_url: str, tmp_path: Path
):
    estate = estates.Estate(tmp_path / "estate")
    estates.two_invoices_worth(estate)
    estate.invoice("G2", [estates.seat("20")], dated="2026-10-08")
    with (
        estates.serve(estate) as served,
        running_app(database_url, tmp_path / "web.log") as address,
        visiting(browser, address) as visit,
    ):
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        page = visit.open()
        page.get_by_role("button", name="Sync").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("One invoice").click()
        expect(dialog.get_by_text("Nobody has asked csp yet what it lists.")).to_be_visible()
        dialog.get_by_role("button", name="Refresh").click()
        expect(dialog.get_by_text("waits for the worker")).to_be_visible()
        with working.worker(configured, tmp_path / "worker.log"):
            expect(dialog.get_by_test_id("stDataFrame")).to_be_visible()
            choose_row(dialog.get_by_test_id("stDataFrame"), 2)
            expect(dialog.get_by_role("textbox", name="Invoice number")).to_have_value("G2")
            expect(dialog.get_by_text("Asks csp for invoice G2 and imports it")).to_be_visible()
            dialog.get_by_role("button", name="Sync now").click()
            expect(dialog).to_have_count(0)
            expect(page.get_by_text("Invoice G2 is Active, 1 line.")).to_be_visible()
        page.get_by_role("button", name="Open the invoice").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(["G2"])
        page.get_by_text("How an invoice lives").click()
        expect(page.get_by_test_id("stGraphVizChart").locator("svg")).to_be_visible()
        assert visit.strangers == []


def choose_row(table: Locator, row: int) -> None:
    """Clicks the box before the row; the first one below the head is 1. A table is drawn as a picture, so it goes by pixels."""
    table.locator("canvas").first.wait_for()
    table.click(position={"x": 16, "y": row * _ROW + _ROW // 2})


def test_what_somebody_else_has_changed_meanwhile_is_looked_at_again_and_then_deleted(
    browser: Browser, engine: Engine, database_url: str, tmp_path: Path
):
    with engine.begin() as connection:
        b.clock(connection)
        invoice_id = b.invoice(connection, number="G7", header="10116", license_lines=3)
    with running_app(database_url, tmp_path / "web.log") as address, visiting(browser, address) as visit:
        page = visit.open(f"?invoice={invoice_id}")
        page.get_by_role("button", name="Deactivate").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("Takes 10,116.00 EUR out of billing; its lines stay until it is synced again.")).to_be_visible()
        with engine.begin() as connection:
            transitions.deactivate(connection, provider_invoice_id=invoice_id, who=Who("bo", b.NOW))
        dialog.get_by_role("button", name="Deactivate").click()
        expect(dialog.get_by_text("has changed since you looked at it: deactivate provider invoice by bo")).to_be_visible()
        dialog.get_by_role("button", name="Look again").click()
        expect(dialog).to_have_count(0)
        expect(page.get_by_role("button", name="Sync again")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Leave it").click()
        expect(dialog).to_have_count(0)
        page.get_by_role("button", name="Delete").click()
        dialog.get_by_role("textbox", name="Why").fill("a double")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Invoice G7 of csp-demo is deleted here, with 3 lines")).to_be_visible()
        assert "invoice=" not in page.url
        with engine.connect() as connection:
            left = connection.execute(text("select count(*) from provider_invoice")).scalar()
            why = connection.execute(text("select reason from audit_log order by audit_id desc limit 1")).scalar()
        assert (left, why) == (0, "a double")
        page.get_by_role("button", name="Dismiss").click()
        expect(page.get_by_text("is deleted here")).to_have_count(0)
        assert visit.dialogs == [] and visit.strangers == []
