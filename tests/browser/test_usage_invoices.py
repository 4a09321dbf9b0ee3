"""An analyst bills what is due, opens the Draft down to the provider's invoice, deletes it and bills again."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.billing.books import Books
from tests.browser.conftest import downloading, running_app, visiting
from w365core.jobs.context import Context
from w365core.store.tables import installation, subscription


def test_what_is_due_is_billed_opened_deleted_and_billed_again(browser: Browser, context: Context, database_url: str, tmp_path: Path):
    books = Books(context)
    with context.engine.begin() as connection:
        connection.execute(installation.insert().values(name="clock", value="2026-11-12T06:00:00+00:00"))
    books.contract(next_invoice_date="2026-11-12")
    books.subscription()
    books.change(subscription, minimum_commitment=Decimal("250"))
    books.used("100.00", markup="15")
    home = {"W365_HOME": str(context.settings.home)}
    with running_app(database_url, tmp_path / "web.log", **home) as address, visiting(browser, address) as visit:
        page = visit.open("usage-invoices")
        page.get_by_role("button", name="Bill all 1").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("U202610-C-1, Customer A-1: 2 lines, 250.00 EUR")).to_be_visible()
        dialog.get_by_role("button", name="Bill", exact=True).click()
        expect(page.get_by_text("1 Draft made, 250.00 EUR: U202610-C-1.")).to_be_visible()
        page.goto(f"{address}/usage-invoices?number=U202610-C-1")
        expect(page.get_by_text("Lines 250.00 EUR = usage 115.00 EUR + top-ups 135.00 EUR")).to_be_visible()
        with downloading(page) as taken:
            page.get_by_role("button", name="CSV").first.click()
        assert "u0001" in Path(taken.value.path()).read_text("utf-8-sig")
        page.get_by_role("link", name="G1").click()
        expect(page).to_have_url(re.compile("invoice=1"))
        page.go_back()
        page.get_by_role("button", name="Delete draft").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_text("U202610-C-1 is deleted; 1 usage summary is billable again.")).to_be_visible()
        assert books.on() == {"u0001": None}
        page.get_by_role("button", name="Bill", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Bill", exact=True).click()
        expect(page.get_by_text("1 Draft made, 250.00 EUR: U202610-C-1.")).to_be_visible()
        assert books.on() == {"u0001": "U202610-C-1"} and visit.strangers == [] and visit.dialogs == []
    assert "Traceback" not in (tmp_path / "web.log").read_text()
