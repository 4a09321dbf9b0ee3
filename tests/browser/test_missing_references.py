"""A person maps a customer in the inbox and watches the invoice that waited for it come in: from what is missing to Active."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import downloading, running_app, visiting
from tests.estates import FABRIKAM, seat
from tests.jobs import working
from w365core.jobs import syncing
from w365core.jobs.context import Context


def test_a_mapping_fix_releases_an_invoice(browser: Browser, context: Context, database_url: str, tmp_path: Path):
    estate = estates.Estate(tmp_path / "estate")
    named = {"CustomerName": "Fabrikam", "CustomerDomainName": "fabrikam.example", "SubscriptionId": ""}
    estate.invoice("G1", [seat("41200.17", CustomerId=FABRIKAM, **named), seat("3.00")])
    with estates.serve(estate) as served:
        records = estate.records(tmp_path / "records", provider_accounts=estates.without_customer(FABRIKAM))
        configured = estates.configure(context, served.url, records=records)
        assert syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False).exit_code == 1
    home = {"W365_HOME": str(context.settings.home)}
    with (  # the provider is away by now: nobody needs it any more
        running_app(database_url, tmp_path / "web.log", **home) as address,
        visiting(browser, address) as visit,
        working.worker(configured, tmp_path / "worker.log"),
    ):
        page = visit.open("missing-references")
        expect(page.get_by_text("Map it to Fabrikam (A-2)")).to_be_visible()
        page.get_by_role("button", name="Fix", exact=True).click()
        expect(page.get_by_text("This would release 1 invoice, 41,203.17 EUR.")).to_be_visible()
        expect(page.get_by_text("2 customers cannot be billed until then")).to_be_visible()
        page.get_by_role("button", name="Apply", exact=True).click()
        expect(page.get_by_text(f"{FABRIKAM} of csp is account A-2 now.")).to_be_visible()
        expect(page.get_by_text("Invoice G1 is Active, 2 lines.")).to_be_visible()
        expect(page.get_by_text("Everything resolves")).to_be_visible()
        page.get_by_role("link", name="Invoice status").click()
        expect(page.get_by_role("heading", name="Invoice status")).to_be_visible()
        expect(page.get_by_text("all 1 invoice through")).to_be_visible()
        assert visit.strangers == []
    assert "Traceback" not in (tmp_path / "web.log").read_text()


def test_a_row_leads_to_its_invoice_and_the_invoice_back_to_the_inbox(
    browser: Browser, context: Context, database_url: str, tmp_path: Path
):
    estate = estates.Estate(tmp_path / "estate")
    estate.invoice("G1", [seat("41.00", CustomerId=FABRIKAM, CustomerName="Fabrikam", SubscriptionId="")])
    estate.invoice("G2", [seat("5.00", SubscriptionId="old-1")])
    with estates.serve(estate) as served:
        records = estate.records(tmp_path / "records", provider_accounts=estates.without_customer(FABRIKAM))
        configured = estates.configure(context, served.url, records=records)
        syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False)
    home = {"W365_HOME": str(context.settings.home)}
    with running_app(database_url, tmp_path / "web.log", **home) as address, visiting(browser, address) as visit:
        page = visit.open("missing-references")
        expect(page.get_by_role("button", name="Fix", exact=True)).to_have_count(2)
        page.get_by_role("button", name="Fix", exact=True).first.click()
        page.get_by_role("link", name=re.compile("G1 · 41.00 EUR")).click()
        expect(page.get_by_role("tab", name="Missing references", selected=True)).to_be_visible()
        page.get_by_role("link", name="Fix these in Missing references").click()
        expect(page.get_by_text("Invoice G1").first).to_be_visible()
        expect(page.get_by_role("button", name="Fix", exact=True).or_(page.get_by_role("button", name="Close", exact=True))).to_have_count(
            1
        )
        page.get_by_text("Subscriptions", exact=True).click()
        expect(page).to_have_url(re.compile("kind=Subscriptions"))
        expect(page.get_by_text("Nothing of this kind is missing.")).to_be_visible()
        page.get_by_role("button", name="Show all invoices").click()
        expect(page.get_by_text("Business Premium", exact=True).first).to_be_visible()
        with downloading(page) as taken:
            page.get_by_role("button", name="Fixes CSV").click()
        assert "add_subscription,csp,old-1" in Path(taken.value.path()).read_text("utf-8-sig")
        assert visit.strangers == [] and visit.dialogs == []
