"""Does a person set what holds for the installation, see at once what it changes, and find it in a log that can be verified?"""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import downloading, running_app, visiting
from tests.reports import builders as b
from w365core.jobs.context import Context
from w365core.store import preferences, rates
from w365core.store.ledger import Who


def test_a_stale_rate_is_set_a_zone_chosen_and_both_stand_in_a_log_that_holds(
    context: Context, database_url: str, browser: Browser, tmp_path: Path
) -> None:
    with context.engine.begin() as connection:
        b.clock(connection, context.now)
        b.rates(connection, EUR="1", USD="0.9")
        rates.confirm(connection, [("USD", Decimal("0.9"))], who=Who("ana", context.now - timedelta(days=40)))
        b.invoice(connection, number="G-1", currency="USD", header="77.00")
    with running_app(database_url, tmp_path / "app.log", W365_HOME=str(tmp_path / "home")) as address, visiting(browser, address) as visit:
        page = visit.open("settings")
        expect(page.get_by_text("The rate of USD is 40 days old; 1 provider invoice and 0 contracts are in it.")).to_be_visible()
        page.get_by_role("button", name="Look").click()
        expect(page.get_by_text("The base currency is EUR.")).to_be_visible()
        assert "section=Currencies" in page.url
        page.get_by_test_id("stDataFrame").first.click(position={"x": 16, "y": 50})  # the first row: what is stale
        page.get_by_label("1 USD in EUR").fill("0.95")
        page.get_by_label("1 USD in EUR").press("Tab")
        expect(page.get_by_text("1,000 USD were 900, and will be 950 EUR.")).to_be_visible()
        page.get_by_role("button", name="Set the rate").click()
        expect(page.get_by_text("1 USD is 0.95 EUR now.")).to_be_visible()
        expect(page.get_by_text("Nothing needs a look")).to_be_visible()
        page.get_by_role("radio", name="General").or_(page.get_by_role("button", name="General")).first.click()
        zone = page.get_by_role("combobox")
        zone.fill("Europe/Ber")
        page.get_by_role("option", name="Europe/Berlin").click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("time_zone is Europe/Berlin now.")).to_be_visible()
        page.get_by_role("link", name="Audit log").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(["Audit log"])
        page.get_by_role("button", name="Verify the log").click()
        expect(
            page.get_by_text("2 entries hold: none was changed, removed or put in between. The last is of 2026-11-12 07:00 CET.")
        ).to_be_visible()
        with downloading(page) as download:
            page.get_by_role("button", name="CSV").first.click()
        log = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_bytes().decode("utf-8-sig"), newline="")))
        assert [entry["Did"] for entry in log][:2] == ["set setting", "set currency rate"]
        assert visit.dialogs == [] and visit.strangers == []
    assert "Traceback" not in (tmp_path / "app.log").read_text()
    with context.engine.connect() as connection:
        assert preferences.values(connection)["time_zone"] == "Europe/Berlin"
