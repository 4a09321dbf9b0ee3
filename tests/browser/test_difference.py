"""A person looks at a difference whose cause is proven, gives a reason, and the invoice becomes Active, with nothing hidden of what was accepted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import downloading, running_app, visiting
from tests.estates import daily, seat, usage
from tests.jobs import working
from tests.reports import builders as b
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.store import ledger

RESERVATION = {"ProductId": "RI", "ProductName": "Reserved VM Instance", "ReservationOrderId": "R-1"}


def test_an_override_on_a_proven_cause_makes_the_invoice_active(browser: Browser, context: Context, database_url: str, tmp_path: Path):
    estate = estates.Estate(tmp_path / "estate")
    estate.invoice("G1", [seat("100.00"), usage("200.00"), usage("1329.75", **RESERVATION)], [daily("200.00")])
    home = {"W365_HOME": str(context.settings.home)}
    with (
        estates.serve(estate) as served,
        running_app(database_url, tmp_path / "web.log", **home) as address,
        visiting(browser, address) as visit,
    ):
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records"))
        syncing.sync_daily(configured, provider_name=estates.PROVIDER)
        with context.engine.begin() as connection:
            b.clock(connection, context.now)
        invoice_id = ledger.named(context.engine, provider_name=None, invoice_number="G1").provider_invoice_id
        page = visit.open(f"?invoice={invoice_id}")
        expect(page.get_by_text("explains it to the cent")).to_be_visible()
        page.get_by_role("button", name="Show its 1 line").click()
        expect(page.get_by_role("button", name="Hide its lines")).to_be_visible()
        with downloading(page) as download:
            page.get_by_role("button", name="differences.csv").click()
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_bytes().decode("utf-8-sig"), newline="")))
        assert [row["Difference"] for row in rows] == ["1329.75", "0.00"]
        page.get_by_role("button", name="Import with a tolerance of 1,330 EUR").click()
        expect(page.get_by_text("Say why first")).to_be_visible()
        page.get_by_label("Reason").fill("A reservation, known since spring")
        page.get_by_role("button", name="Import with a tolerance of 1,330 EUR").click()
        with working.worker(configured, tmp_path / "worker.log"):
            expect(page.get_by_text("Invoice G1 is Active").first).to_be_visible()
        visit.open(f"?invoice={invoice_id}")
        expect(page.get_by_text("Overridden with a tolerance of 1,330.00 EUR")).to_be_visible()
        expect(page.get_by_text("A reservation, known since spring").first).to_be_visible()
        visit.open("tolerance")
        expect(page.get_by_role("heading", name="Tolerance")).to_be_visible()
        assert visit.strangers == [] and visit.dialogs == []
    found = ledger.named(context.engine, provider_name=None, invoice_number="G1")
    assert (found.status_reason, found.override_tolerance, found.override_reason) == ("Active", 1330, "A reservation, known since spring")
