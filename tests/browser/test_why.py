"""An analyst asks why there is no invoice, opens the row, and comes by its button to the reference that holds it up."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import running_app, visiting
from tests.estates import FABRIKAM, daily, seat, usage
from tests.pages.test_why import CONTRACTS, SUBSCRIPTIONS
from w365core.jobs import syncing
from w365core.jobs.context import Context


def test_from_the_question_to_the_reference_that_holds_the_usage_up(browser: Browser, context: Context, database_url: str, tmp_path: Path):
    estate = estates.Estate(tmp_path / "estate")
    named = {"CustomerName": "Fabrikam", "CustomerDomainName": "fabrikam.example", "SubscriptionId": ""}
    estate.invoice("G1", [usage("20.00"), seat("5.00", CustomerId=FABRIKAM, **named)], [daily("20.00")])
    with estates.serve(estate) as served:
        told = {"billing_contracts": CONTRACTS, "subscriptions": SUBSCRIPTIONS, "provider_accounts": estates.without_customer(FABRIKAM)}
        configured = estates.configure(context, served.url, records=estate.records(tmp_path / "records", **told))
        assert syncing.sync_daily(configured, provider_name=estates.PROVIDER, with_estimate=False).exit_code == 1
    told = {"W365_HOME": str(context.settings.home), "W365_NOW": context.now.isoformat()}
    with running_app(database_url, tmp_path / "web.log", **told) as address, visiting(browser, address) as visit:
        page = visit.open("why?period=2026-11&of_customer=Contoso")
        expect(page.get_by_role("heading", name="Why is there no usage invoice?")).to_be_visible()
        expect(page.get_by_text("Blocked, EUR")).to_be_visible()
        page.get_by_test_id("stMain").get_by_role("button", name="Contoso").last.click()
        expect(page.get_by_text("This subscription's own are all there.").first).to_be_visible()
        expect(page.get_by_text("5. A reference is missing")).to_be_visible()
        expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible()
        page.get_by_role("button", name="Map it").first.click()
        expect(page.get_by_role("heading", name="Missing references")).to_be_visible()
        expect(page.get_by_text("Map it to Fabrikam (A-2)")).to_be_visible()
        assert visit.strangers == []
    assert "Traceback" not in (tmp_path / "web.log").read_text()
