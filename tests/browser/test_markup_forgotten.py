"""The story that the product begins with, in a browser: a markup was forgotten, the customer's invoice is too low; a spreadsheet mends it, the Draft is deleted
and made again, and its total is right."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import text

from tests import estates
from tests.browser.conftest import downloading, running_app, visiting
from tests.estates import Estate, daily, usage
from tests.usage_rows import table, written
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.store.tables import installation

CONTRACTS = (
    "contract_id,account_id,frequency,billing_policy,start_date,next_invoice_date,currency,status\n"
    "BC-1,A-1,Monthly,Advance,2026-01-01,2026-11-01,EUR,Active\n"
)
FORGOTTEN = (
    "subscription_id,provider,provider_subscription_id,account_id,contract_id,product_id,kind,markup_pct\n"
    f"U-1,csp,{estates.AZURE},A-1,BC-1,DZH3,Usage,0\n"
)
NUMBER = "U202610-BC-1"


def total(context: Context) -> Decimal | None:
    with context.engine.connect() as connection:
        return connection.execute(
            text("select sum(amount) from customer_invoice_line where invoice_number = :number"), {"number": NUMBER}
        ).scalar_one()


def test_a_forgotten_markup_is_mended_from_the_spreadsheet_to_the_invoice(
    browser: Browser, context: Context, database_url: str, tmp_path: Path
):
    estate = Estate(tmp_path / "estate")
    estate.invoice("G1", [usage("100.00"), usage("20.00", ProductId="P2")], [daily("100.00"), daily("20.00", ProductId="P2")])
    with estates.serve(estate) as served:
        records = estate.records(tmp_path / "records", billing_contracts=CONTRACTS, subscriptions=FORGOTTEN)
        configured = estates.configure(context, served.url, records=records)
        assert syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False).exit_code == 0
    with context.engine.begin() as connection:
        connection.execute(installation.insert().values(name="clock", value=context.now.isoformat()))
    home = {"W365_HOME": str(context.settings.home)}
    with running_app(database_url, tmp_path / "web.log", **home) as address, visiting(browser, address) as visit:
        page = visit.open("markup?invoices=1")
        with downloading(page) as taken:
            page.get_by_test_id("stMain").get_by_role("button", name="CSV", exact=True).click()
        rows = table(Path(taken.value.path()).read_bytes())
        assert [(row["invoice"], row["markup_pct"], row["status"]) for row in rows] == [("G1", "0", "Not invoiced")] * 2
        edited = tmp_path / "edited.csv"
        edited.write_bytes(written([row | {"markup_pct": "15"} for row in rows], separator=";"))

        page.goto(f"{address}/usage-invoices")
        page.get_by_role("button", name="Bill all 1").click()
        page.get_by_role("dialog").get_by_role("button", name="Bill", exact=True).click()
        expect(page.get_by_text(f"1 Draft made, 120.00 EUR: {NUMBER}.")).to_be_visible()
        assert total(context) == 120

        page.goto(f"{address}/markup?invoices=1")
        page.locator("input[type=file]").set_input_files(edited)
        expect(page.get_by_text("Refused:")).to_be_visible()
        files = page.get_by_test_id("stMain").get_by_role("button", name="CSV", exact=True)
        expect(files).to_have_count(2)  # to edit, and what is refused
        with downloading(page) as taken:
            files.last.click()
        assert Path(taken.value.path()).read_text("utf-8-sig").count(f"is on customer invoice {NUMBER}: delete that invoice first") == 2
        expect(page.get_by_role("button", name="Change 2 rows")).to_have_count(0)

        page.goto(f"{address}/usage-invoices?number={NUMBER}")
        page.get_by_role("button", name="Delete draft").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_text(f"{NUMBER} is deleted; 2 usage summaries are billable again.")).to_be_visible()

        page.goto(f"{address}/markup?invoices=1")
        page.locator("input[type=file]").set_input_files(edited)
        expect(page.get_by_text("120.00 EUR before: +18.00 EUR")).to_be_visible()
        page.get_by_role("textbox", name="Reason").fill("forgotten")
        page.get_by_role("textbox", name="Reason").press("Tab")
        page.get_by_role("button", name="Change 2 rows").click()
        expect(page.get_by_text("File edited.csv: 2 rows changed.")).to_be_visible()

        page.goto(f"{address}/usage-invoices")
        page.get_by_role("button", name="Bill all 1").click()
        expect(page.get_by_role("dialog").get_by_text("138.00 EUR").first).to_be_visible()
        page.get_by_role("dialog").get_by_role("button", name="Bill", exact=True).click()
        expect(page.get_by_text(f"1 Draft made, 138.00 EUR: {NUMBER}.")).to_be_visible()
        assert total(context) == Decimal("138.00") and visit.strangers == [] and visit.dialogs == []
    assert "Traceback" not in (tmp_path / "web.log").read_text()
