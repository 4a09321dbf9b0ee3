"""Does a person get from a file on their own disk to the imported invoice, without a terminal?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import estates
from tests.browser.conftest import downloading, running_app, visiting
from tests.estates import Estate
from tests.jobs import working
from w365core.jobs.context import Context
from w365core.store.engine import pooled

HEADER = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
SEAT = f"{estates.CONTOSO},{estates.SEATS},CFQ7,cycle,2026-10-01,2026-10-31,4,25.00,100.00,19.00,119.00,EUR\n"


@pytest.fixture
def distributor(context: Context, tmp_path: Path) -> Context:
    records = Estate(tmp_path / "estate").records(tmp_path / "records")
    accounts = (records / "provider_accounts.csv").read_text() + f"distributor,{estates.CONTOSO},A-1\n"
    subscriptions = (records / "subscriptions.csv").read_text() + f"S-9,distributor,{estates.SEATS},A-1,CFQ7,License,\n"
    records = Estate(tmp_path / "estate").records(tmp_path / "records", provider_accounts=accounts, subscriptions=subscriptions)
    return estates.configure(context, "http://127.0.0.1:1", records=records)


def test_an_upload_is_checked_corrected_and_imported(distributor: Context, browser: Browser, tmp_path: Path) -> None:
    url, home = distributor.settings.database_url, str(distributor.settings.home)
    bad, good = tmp_path / "october.csv", tmp_path / "october-again.csv"
    bad.write_text(HEADER + SEAT + SEAT.replace("100.00", "=1+1"))
    good.write_text(HEADER + SEAT)
    with (
        working.worker(distributor, tmp_path / "worker.log"),
        running_app(url, tmp_path / "app.log", W365_HOME=home) as address,
        visiting(browser, address) as visit,
    ):
        page = visit.open()
        page.get_by_role("button", name="Import files").click()
        dialog = page.get_by_role("dialog")
        page.locator("input[type=file]").set_input_files(bad)
        expect(dialog.get_by_text("october.csv")).to_be_visible()
        number = dialog.get_by_role("textbox", name="Invoice number")
        number.fill("F-1")
        number.press("Tab")
        dialog.get_by_role("combobox", name=re.compile("Provider")).first.click()
        page.get_by_role("option", name="distributor").click()
        dialog.get_by_role("button", name="Check files").click()
        expect(dialog.get_by_text("1 cell cannot be read")).to_be_visible()
        with downloading(page) as taken:
            dialog.get_by_role("button", name="CSV", exact=True).click()
        told = Path(taken.value.path()).read_text("utf-8-sig")
        assert "october.csv,3,subtotal,'=1+1,a number" in told
        dialog.get_by_role("button", name="Remove october.csv").click()
        page.locator("input[type=file]").set_input_files(good)
        expect(dialog.get_by_text("check them again")).to_be_visible()
        dialog.get_by_text("Activate it where it adds up").click()
        dialog.get_by_role("button", name="Check files").click()
        expect(dialog.get_by_text("It would be Active.")).to_be_visible()
        dialog.get_by_role("button", name="Import", exact=True).click()
        page.get_by_role("button", name="Open the invoice").click()
        expect(page.get_by_text("F-1").first).to_be_visible()
        assert visit.strangers == [] and visit.dialogs == []
    assert "Traceback" not in (tmp_path / "app.log").read_text()
    engine = pooled(url)
    assert estates.children(engine) == (1, 0, 0)
    engine.dispose()
