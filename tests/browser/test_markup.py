"""Does a person get from a blank markup to the corrected one by a spreadsheet, and back, without a terminal?"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlalchemy import Engine, update

from tests.browser.conftest import downloading, running_app, visiting
from tests.reports import builders as b
from tests.usage_rows import Usage, table, written
from w365core.store.tables import subscription


def test_a_markup_is_downloaded_edited_uploaded_applied_and_taken_back(
    engine: Engine, database_url: str, browser: Browser, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        b.clock(connection)
        b.rates(connection, EUR="1")
    usage = Usage(engine)
    blank, other = usage.add("100.00", None), usage.add("10.00", account_id="A-2")
    with engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == "U-1").values(markup_pct=None))
    with (
        running_app(database_url, tmp_path / "app.log", W365_HOME=str(tmp_path / "home")) as address,
        visiting(browser, address) as visit,
    ):
        page = visit.open("markup?customers=A-1")
        assert len(waiting_for_a_file(tmp_path / "home")) == 1
        expect(page.get_by_text("1 row of 1 invoice without a markup")).to_be_visible()
        main = page.get_by_test_id("stMain")
        with downloading(page) as taken:
            main.get_by_role("button", name="CSV", exact=True).nth(1).click()
        (row,) = table(Path(taken.value.path()).read_bytes())
        assert (row["usage_id"], row["account"], row["markup_pct"], row["account_name"]) == (blank, "A-1", "", "Contoso")
        file = tmp_path / "edited.csv"
        file.write_bytes(written([row | {"markup_pct": "12,5", "charge_start": "01.10.2026", "cost": "100"}], separator=";"))
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text("Can be applied", exact=True)).to_be_visible()
        expect(page.get_by_text("0.00 EUR before: +112.50 EUR")).to_be_visible()
        page.get_by_role("textbox", name="Reason").fill("forgotten")
        page.get_by_role("textbox", name="Reason").press("Tab")
        page.get_by_role("button", name="Change 1 row").click()
        expect(page.get_by_text("File edited.csv: 1 row changed.")).to_be_visible()
        expect(page.get_by_text("Every markup is as it should be")).to_be_visible()
        assert usage.markups() == {blank: Decimal("12.5"), other: 15}
        page.get_by_role("button", name="Undo", exact=True).click()
        expect(page.get_by_text(re.compile("Correction 1 is undone: 1 row as before"))).to_be_visible()
        assert usage.markups() == {blank: None, other: 15}
        assert visit.strangers == [] and visit.dialogs == []
    assert "Traceback" not in (tmp_path / "app.log").read_text()
    deadline = time.monotonic() + 10
    while waiting_for_a_file(tmp_path / "home"):
        assert time.monotonic() < deadline, "the app has ended and left a process behind"
        time.sleep(0.05)


def waiting_for_a_file(home: Path) -> list[Path]:
    """The processes of the app with this home that are to read large files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"w365core.jobs.apart" in (process / "cmdline").read_bytes() and str(home).encode() in (process / "environ").read_bytes():
                found.append(process)
    return found
