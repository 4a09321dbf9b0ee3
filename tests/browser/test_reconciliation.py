"""An analyst finds a quantity on the provider's invoice that is higher than ours, sees which change caused it and that it is not billed, accepts it and signs off."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import Engine, text

from tests.books import Books, seat
from tests.browser.conftest import downloading, running_app, visiting
from tests.conftest import Command


def test_a_higher_quantity_is_validated_by_its_change_log_accepted_and_signed_off(
    browser: Browser, w365: Command, engine: Engine, database_url: str, tmp_path: Path
):
    books = Books(w365, tmp_path)
    books.subscription(quantity="10"), books.subscription("S-2")
    books.log("L-1", "14"), books.log("L-2", "-4", "2026-10-12", initiated_by="ana@contoso.example"), books.log("L-3", "10", of="S-2")
    books.load()
    books.invoice([seat(quantity="14"), seat("S-2")])
    home = {"W365_HOME": w365.environment["W365_HOME"], "W365_NOW": "2026-11-12T06:00:00+00:00"}
    with running_app(database_url, tmp_path / "web.log", **home) as address, visiting(browser, address) as visit:
        page = visit.open("reconciliation")
        expect(page.get_by_text("1 row, 57.60 EUR at risk")).to_be_visible()
        expect(page.get_by_text("1 row is confirmed by rule and folded away")).to_be_visible()
        expect(page.get_by_role("button", name="Sign off")).to_be_disabled()
        page.get_by_role("button", name=re.compile("^Contoso")).click()
        expect(
            page.get_by_role(
                "heading", name=re.compile(r"removed 4 seats on 12 Oct 2026; .* charged 14 .*, we have 10\. Not yet invoiced by us")
            )
        ).to_be_visible()
        expect(page.get_by_text("Seats day by day.")).to_be_visible()
        expect(page).to_have_url(re.compile("row="))
        with downloading(page) as taken:
            page.get_by_role("button", name="CSV").first.click()
        logs = Path(taken.value.path()).read_text("utf-8-sig")
        assert "ana@contoso.example" in logs and "Not invoiced yet" in logs and "L-2" in logs
        page.get_by_role("button", name="Accept", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="Why").fill("taken off between the two cycles")
        dialog.get_by_role("textbox", name="Why").press("Tab")
        dialog.get_by_role("button", name="Accept", exact=True).click()
        expect(page.get_by_text(re.compile("Accepted by .*: taken off between the two cycles")).first).to_be_visible()
        page.get_by_role("button", name="All rows").click()
        expect(page.get_by_text("Nothing is left to do")).to_be_visible()
        page.get_by_role("button", name="Sign off").click()
        page.get_by_role("dialog").get_by_role("button", name="Sign off", exact=True).click()
        expect(page.get_by_text(re.compile("^Signed off by .* on 2026-11-12"))).to_be_visible()
        expect(page.get_by_role("button", name="Open again")).to_be_visible()
        assert visit.strangers == [] and visit.dialogs == []
    with engine.connect() as connection:
        assert connection.execute(text("select state, reason from reconciliation_review")).all() == [
            ("accepted", "taken off between the two cycles")
        ]
        assert connection.execute(text("select count(*) from reconciliation_sign_off where reopened_at is null")).scalar_one() == 1
    assert "Traceback" not in (tmp_path / "web.log").read_text()
