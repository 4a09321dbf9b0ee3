"""Does a person in front of a real browser get from the worklist to a line and a file, and does nothing leave this machine?"""

from __future__ import annotations

import csv
import http.client
import io
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from psycopg import sql

from tests import postgres
from tests.browser.conftest import Visit, downloading, running_app, settled, visiting
from tests.reports import builders as b

HOSTILE = "<img src=x onerror=alert(1)>[x](javascript:alert(2))"
LINKS = ("www.evil.example/a", "https://evil.example/b", "eve@evil.example")
LINES = 450


@dataclass(frozen=True)
class Shop:
    """The app, its log, its database, and the invoices in it."""

    address: str
    log: Path
    database_url: str
    billed: int
    failed: int


@pytest.fixture(scope="module")
def shop(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    log = tmp_path_factory.mktemp("app") / "app.log"
    with postgres.used_database(template) as url:
        billed, failed = _stock(url)
        with running_app(url, log) as address:
            yield Shop(address, log, url, billed, failed)


def _stock(url: str) -> tuple[int, int]:
    engine = b.prepared(url)
    with engine.begin() as connection:
        b.clock(connection)
        b.rates(connection, EUR="1", USD="0.9")
        b.customer(connection, "A1", HOSTILE)
        billed = b.invoice(connection, number="G-100", header=f"{LINES * Decimal('10.01')}", run=7, license_lines=LINES)
        lines = [b.license_line(n, total="10.01", account_id="A1", customer_name=HOSTILE, sku_name="=1+1") for n in range(1, LINES + 1)]
        b.lines(connection, billed, run=7, license=lines)
        b.invoice(connection, number="G-200", currency="USD", header="77.00", on=date(2026, 9, 4))
        b.invoice(connection, number=LINKS[0], provider=LINKS[1], status="Error", header="5.00", message=f"See {LINKS[0]} or {LINKS[2]}.")
        failed = b.invoice(
            connection,
            number="G-300",
            status="Error",
            failure="unresolved_references",
            header="812.40",
            message=f"Our records lack {HOSTILE}.",
        )
        b.missing(connection, failed, key="c-9", name="=Cy", amount="812.40")
    engine.dispose()
    return billed, failed


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Visit]:
    """Whatever a test does: nothing leaves this machine, no dialog opens, no traceback shows."""
    with visiting(browser, shop.address) as visit:
        yield visit
        shown = visit.page.locator("body").inner_text()
        assert visit.requests and visit.strangers == []
        assert visit.dialogs == []
        assert "Traceback" not in shown and "psycopg" not in shown


def title(page: Page, text: str) -> None:
    """The one heading, of a page that is drawn to its end; while a page gives way to the next there may be two for a moment."""
    expect(page.get_by_role("heading", level=1)).to_have_text([text])
    settled(page)


def test_the_worklist_leads_to_the_invoice_its_attached_file_and_back(visit: Visit, shop: Shop):
    page = visit.open()
    title(page, "Invoice status")
    expect(page.get_by_text("812.40 EUR").first).to_be_visible()
    page.get_by_role("button", name="G-300").click()
    title(page, "G-300")
    expect(page).to_have_title("G-300 · w365core")
    assert f"invoice={shop.failed}" in page.url
    with downloading(page) as download:
        page.get_by_role("button", name="errors.csv").click()
    assert download.value.suggested_filename == "G-300-errors.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_bytes().decode("utf-8-sig"), newline="")))
    assert [(row["Key"], row["Name"], row["Money it holds up"]) for row in rows] == [("c-9", "'=Cy", "812.40")]
    page.get_by_role("button", name="All invoices").click()
    title(page, "Invoice status")
    assert "invoice=" not in page.url


def test_a_link_opens_the_invoice_and_the_browsers_back_closes_it(visit: Visit, shop: Shop):
    page = visit.open()
    title(page, "Invoice status")
    visit.open(f"?invoice={shop.billed}")
    title(page, "G-100")
    expect(page.get_by_text("= 4,504.50 EUR")).to_be_visible()
    page.go_back()
    title(page, "Invoice status")


def test_filters_live_in_the_url_and_survive_a_reload(visit: Visit):
    page = visit.open()
    title(page, "Invoice status")
    page.get_by_role("combobox", name="Currency").click()
    page.get_by_role("option", name="USD").click()
    expect(page.get_by_text("Nothing needs attention")).to_be_visible()
    assert "currency=USD" in page.url
    page.reload()
    expect(page.get_by_text("77.00 USD").first).to_be_visible()
    expect(page.get_by_text("812.40 EUR")).to_have_count(0)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text("812.40 EUR").first).to_be_visible()
    page.get_by_role("combobox", name="Customer").fill("cy, not")
    page.get_by_role("option", name="=Cy, not in our records").click()
    expect(page.get_by_text("4,504.50 EUR")).to_have_count(0)
    assert "customer=%3DCy%2C+not+in+our+records" in page.url
    expect(page.get_by_text("812.40 EUR").first).to_be_visible()


def test_a_link_never_shows_more_than_it_asks_for_however_one_comes_to_it(visit: Visit):
    page = visit.open("?status=Nonsense&currency=ZZZ")
    told = page.get_by_text("The address asks for status Nonsense and currency ZZZ.")
    expect(told).to_be_visible()
    assert "status=Nonsense" in page.url and "currency=ZZZ" in page.url
    page.reload()
    expect(told).to_be_visible()
    visit.open("?month=2026-11&status=Nonsense")
    page.get_by_test_id("stSidebar").get_by_role("link", name="Jobs").click()
    title(page, "Jobs")
    page.get_by_test_id("stSidebar").get_by_role("link", name="Invoice status").click()
    title(page, "Invoice status")
    expect(page.get_by_text("The address asks for status Nonsense.")).to_be_visible()
    expect(page.get_by_text("No invoice matches these filters")).to_be_visible()
    page.get_by_role("button", name="Clear filters").first.click()
    expect(page.get_by_text("812.40 EUR").first).to_be_visible()
    expect(page.get_by_text("The address asks for")).to_have_count(0)
    assert "month" not in page.url and "status" not in page.url


def _box(cell: Locator) -> dict[str, float]:
    """Where it is; a chart that is drawn again at that moment has no place yet."""
    while (place := cell.bounding_box()) is None:
        cell.page.wait_for_timeout(50)
    return place


def test_a_click_on_the_map_shows_its_invoices_and_counts_a_second_time(visit: Visit):
    page = visit.open("?status=Error&status=Active")
    for kept in ({"status=Error", "status=Active"}, set()):
        cell = page.locator(".js-plotly-plot .textpoint").filter(has_text="✓ Active").first
        expect(cell).to_be_visible()
        place = _box(cell)
        page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        expect(page.get_by_text("Nothing needs attention")).to_be_visible()
        assert set(urlsplit(page.url).query.split("&")) == {"provider=csp-demo", "month=Sep+2026"} | kept
        page.get_by_role("button", name="Clear filters").click()
        expect(page.get_by_text("812.40 EUR").first).to_be_visible()


def test_lines_turn_page_by_page(visit: Visit, shop: Shop):
    page = visit.open(f"?invoice={shop.billed}")
    expect(page.get_by_text("Page 1", exact=True)).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 2", exact=True)).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 3", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="First").click()
    expect(page.get_by_text("Page 1", exact=True)).to_be_visible()


def test_the_csv_holds_every_line_to_the_cent_and_nothing_that_runs(visit: Visit, shop: Shop):
    page = visit.open(f"?invoice={shop.billed}")
    with downloading(page) as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "G-100-invoice-lines.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_bytes().decode("utf-8-sig"), newline="")))
    assert [row["Line"] for row in rows] == [str(n) for n in range(1, LINES + 1)]
    assert sum(Decimal(row["Total"]) for row in rows) == Decimal("4504.50")
    assert {(row["Product"], row["Customer"]) for row in rows} == {("'=1+1", HOSTILE)}


def test_the_excel_file_comes_too(visit: Visit):
    page = visit.open()
    with downloading(page) as download:
        page.get_by_role("button", name="Excel").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")


def test_hostile_text_is_shown_as_text(visit: Visit, shop: Shop):
    page = visit.open(f"?invoice={shop.failed}")
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    visit.open(f"?invoice={shop.billed}")
    expect(page.locator(".js-plotly-plot").get_by_text("<img src=x onerror")).to_be_visible()
    assert page.locator("img[src='x'], a[href^='javascript']").count() == 0


def test_an_address_in_the_providers_text_is_no_link(visit: Visit):
    page = visit.open()
    expect(page.get_by_text(f"See {LINKS[0]} or {LINKS[2]}.")).to_be_visible()
    expect(page.get_by_text("\u2060://evil.example/b").first).to_be_visible()  # with the joiner that keeps it from being a link
    assert page.locator("a[href*='evil']").count() == 0


def test_a_lost_database_is_one_sentence_and_retry_finds_it_again(visit: Visit, shop: Shop):
    page = visit.open()
    title(page, "Invoice status")
    with _away(shop.database_url):
        page.reload()
        expect(page.get_by_text("The database is away")).to_be_visible()
        expect(page.get_by_text("does not answer")).to_have_count(1)
        assert ready(shop)[0] == 503
    page.get_by_role("button", name="Retry").click()
    title(page, "Invoice status")
    assert ready(shop) == (200, {"status": "ok", "database": "ok"})


@pytest.mark.parametrize(
    ("host", "origin", "answer"),
    [("", "", 101), ("evil.example", "http://evil.example", 403), ("", "http://evil.example", 403)],
    ids=["ourselves", "foreign host", "foreign origin"],
)
def test_a_foreign_page_cannot_open_the_websocket(shop: Shop, host: str, origin: str, answer: int):
    ours = urlsplit(shop.address)
    connection = http.client.HTTPConnection(ours.hostname, ours.port, timeout=10)
    headers = {
        "Host": host or ours.netloc,
        "Origin": origin or shop.address,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    assert connection.getresponse().status == answer
    connection.close()


def ready(shop: Shop) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(f"{shop.address}/readyz", timeout=15) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def _away(url: str) -> Iterator[None]:
    """The database under another name for a while, so that nobody finds it."""
    name = url.split("@/")[1].split("?")[0]
    _rename(name, f"{name}_away")
    try:
        yield
    finally:
        _rename(f"{name}_away", name)


def _rename(old: str, new: str) -> None:
    with psycopg.connect(postgres.server().replace("+psycopg", "").replace("@/w365?", "@/postgres?"), autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [old])
        connection.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new)))
