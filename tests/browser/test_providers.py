"""A person goes to Providers and back: the filters are not there, come back as chosen, and a clicked customer shows how to map it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import Engine, text

from tests.browser.conftest import running_app, visiting
from tests.reports import builders as b


def test_providers_and_back_with_the_filters_as_they_were(browser: Browser, engine: Engine, database_url: str, tmp_path: Path):
    with engine.begin() as connection:
        b.invoice(connection, number="G7", provider="csp")
        b.invoice(connection, number="G8", provider="other")
        connection.execute(text("insert into provider (name, type, added_at) values ('csp', 'partner_center', now())"))
        connection.execute(
            text(
                "insert into provider_customer (provider, provider_customer_id, name, proposed_account_id, confidence, proposed_because, "
                "first_seen_at, seen_at) values ('csp', 'c-1', 'Contoso', 'A-1', 1, 'same domain', now(), now())"
            )
        )
    with running_app(database_url, tmp_path / "web.log") as address, visiting(browser, address) as visit:
        page = visit.open("?provider=csp")
        expect(page.get_by_test_id("stMultiSelect").first).to_contain_text("csp")
        page.get_by_role("link", name="Providers").click()
        expect(page.get_by_role("heading", name="Customers that nobody has mapped")).to_be_visible()
        expect(page.get_by_test_id("stMultiSelect")).to_have_count(0)
        table = page.get_by_test_id("stDataFrame").nth(1)
        expect(table.locator("canvas").first).to_be_visible()
        table.click(position={"x": 15, "y": 50})  # the first row's box
        expect(page.get_by_text("map-account --provider csp --provider-account-id c-1 --account A-1")).to_be_visible()
        page.get_by_role("link", name="Invoice status").click()
        expect(page.get_by_test_id("stMultiSelect").first).to_contain_text("csp")
        assert visit.strangers == []
