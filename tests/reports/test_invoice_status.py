"""Does the worklist hold what needs doing, the biggest money first, and do the headline figures add up per currency?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine

from tests.reports import builders as b
from w365core.reports import invoice_status
from w365core.reports.invoice_status import InvoiceFilter, InvoiceStatus


def tiles(report: InvoiceStatus) -> dict[tuple[str, str], str]:
    return {(tile.label, tile.currency): tile.value for tile in report.tiles}


def notes(report: InvoiceStatus, label: str) -> list[str]:
    return [note.text for tile in report.tiles if tile.label == label for note in tile.notes]


def test_the_worklist_has_the_biggest_money_first_measured_in_base_currency(report):
    found = report(
        {"number": "small-euro", "status": "Error", "header": "90"},
        {"number": "many-yen", "status": "Error", "header": "10000", "currency": "JPY"},
        {"number": "credit", "status": "Error", "header": "-500"},
        {"number": "dollars", "status": "Populating", "header": "110", "currency": "USD"},
    )
    assert [item.invoice.number for item in found.attention] == ["credit", "dollars", "small-euro", "many-yen"]


def test_warnings_come_after_everything_that_holds_money_up(report):
    found = report(
        {"number": "warned", "header": "9000", "message": "2 products are unknown."}, {"number": "stuck", "status": "Error", "header": "1"}
    )
    assert [(item.invoice.number, item.invoice.standing) for item in found.attention] == [("stuck", "Error"), ("warned", "Warning")]


def test_what_is_settled_or_deactivated_needs_no_attention(report):
    assert report({}, {"status": "Deactivated", "message": "old"}, {"status": "Active Usage", "number": "u"}).attention == ()


def test_an_invoice_changed_at_the_provider_says_both_totals(report):
    item = report({"header": "812.44", "changed_at_provider": True, "header_total_now": Decimal("790.10")}).attention[0]
    assert "790.10 EUR now" in item.sentence and "812.44 EUR" in item.sentence
    assert item.command == "python -m w365core take-new-version --provider csp-demo --invoice D-0"


def test_headlines_never_add_currencies(report):
    found = report(
        {"header": "100"}, {"header": "40.5"}, {"header": "7", "currency": "USD"}, {"header": "9", "currency": "USD", "status": "Error"}
    )
    assert tiles(found) == {
        ("Billed in Nov 2026", "EUR"): "140.50 EUR",
        ("Held up", "EUR"): "0.00 EUR",
        ("Billed in Nov 2026", "USD"): "7.00 USD",
        ("Held up", "USD"): "9.00 USD",
        ("Newest import", ""): "2 hours ago",
    }


def test_where_only_invoices_in_error_are_shown_the_newest_import_speaks_of_them_alone(report):
    (newest,) = [tile for tile in report({"status": "Error", "imported_at": None}).tiles if tile.label == "Newest import"]
    assert (newest.value, newest.notes[0].text) == ("—", "none of these invoices is imported")


def test_billed_is_of_the_latest_month_alone_and_held_up_of_all_months(report):
    found = report(
        {"header": "100", "on": date(2026, 10, 8)},
        {"header": "30", "on": date(2026, 11, 2)},
        {"header": "5", "on": date(2026, 9, 2), "status": "Error"},
        {"header": "6", "on": date(2026, 12, 2), "status": "Populating"},
    )
    assert tiles(found)["Billed in Nov 2026", "EUR"] == "30.00 EUR"
    assert tiles(found)["Held up", "EUR"] == "11.00 EUR"


def test_a_total_that_nobody_knows_is_a_dash_and_not_zero(report):
    found = report({"header": None, "status": "Error"})
    assert tiles(found)["Held up", "EUR"] == "—"
    assert notes(found, "Held up") == ["1 invoice, in Error, total unknown"]


def test_a_tile_names_the_filter_that_shows_its_invoices(report):
    billed, held = report({}, {"status": "Error"}, {"status": "Populating"}).tiles[:2]
    assert [(note.statuses, note.month) for note in billed.notes] == [(("Active",), "2026-11")]
    assert [(set(note.statuses), note.month) for note in held.notes] == [({"Error", "Populating"}, None), ({"Error"}, None)]
    assert (billed.currency, held.currency) == ("EUR", "EUR")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ([], ["all 1 invoice through"]),
        ([("Error", "5")], ["1 invoice, in Error"]),
        ([("Error", "5"), ("Error", "1")], ["2 invoices, all in Error"]),
        ([("Populating", "5")], ["1 invoice, none in Error"]),
        ([("Populating", "5"), ("Error", "1234.5")], ["2 invoices", "1 in Error, 1,234.50 EUR"]),
        ([("Populating", None), ("Error", None), ("Error", "2")], ["3 invoices, 2 without a total", "2 in Error, 2.00 EUR"]),
        ([("Populating", "5"), ("Error", None)], ["2 invoices, 1 without a total", "1 in Error, —"]),
    ],
)
def test_what_is_in_error_is_told_apart_from_what_is_held_up(report, held: list, said: list[str]):
    found = report({}, *({"status": status, "header": header} for status, header in held))
    assert notes(found, "Held up") == said


@pytest.mark.parametrize(
    ("failure", "more", "command"),
    [
        ("unresolved_references", {}, "python -m w365core sync --provider csp-demo --invoice D-0"),
        (
            "checksum_failed",
            {"difference": "-1329.7525"},
            "python -m w365core sync --provider csp-demo --invoice D-0 --override-tolerance 1330",
        ),
        (
            "checksum_failed",
            {"usage": "50.00", "daily_rated_total": Decimal("20.40")},
            "python -m w365core sync --provider csp-demo --invoice D-0 --override-tolerance 30",
        ),
        ("checksum_failed", {"message": "daily usage not published"}, "python -m w365core sync --provider csp-demo --invoice D-0"),
        ("provider_error", {}, "python -m w365core sync --provider csp-demo --invoice D-0"),
        ("invalid_data", {}, "python -m w365core sync --provider csp-demo --invoice D-0"),
    ],
)
def test_every_failure_has_a_next_step_and_its_command(report, failure: str, more: dict, command: str):
    item = report({"status": "Error", "failure": failure} | more).attention[0]
    assert item.command == command and item.next_step


def test_a_hostile_number_cannot_break_out_of_the_command(report):
    item = report({"number": "a; rm -rf '~'", "status": "Error", "failure": "provider_error"}).attention[0]
    assert item.command == "python -m w365core sync --provider csp-demo --invoice 'a; rm -rf '\"'\"'~'\"'\"''"


def test_a_complete_manual_invoice_is_to_be_activated_and_a_running_one_waited_for(report):
    complete, running = report(
        {"status": "Populating", "header": "2", "imported_at": b.NOW, "message": "Its lines are complete."},
        {"status": "Populating", "header": "1", "message": "The import is running."},
    ).attention
    assert complete.command == "python -m w365core activate --invoice D-0"
    assert "Wait" in running.next_step


def test_filters_choose_by_provider_month_status_and_currency(report):
    wanted = InvoiceFilter(providers=("CSP-demo",), months=("2026-11",), statuses=("Error",), currencies=("EUR",))
    found = report(
        {"number": "this", "status": "Error"},
        {"status": "Error", "provider": "other"},
        {"status": "Error", "on": date(2026, 10, 1)},
        {"status": "Active"},
        {"status": "Error", "currency": "USD"},
        wanted=wanted,
    )
    assert [i.number for i in found.invoices] == ["this"]


@pytest.fixture
def shop(engine: Engine) -> Engine:
    """Ana's lines on a billed invoice and on a usage-only one, Bo's in a preview, and a customer whom our records lack."""
    with engine.begin() as connection:
        b.customer(connection, "A1", "Ana")
        b.customer(connection, "A2", "Bo")
        billed = b.invoice(connection, number="billed", run=7)
        b.lines(connection, billed, run=7, license=[b.license_line(1, account_id="A1")])
        used = b.invoice(connection, number="used", run=8)
        b.summary(connection, used, account_id="A1")
        failed = b.invoice(connection, number="preview", status="Error", run=9)
        b.lines(connection, failed, run=9, license=[b.license_line(1, account_id="A2"), b.license_line(2)], publish=False)
        b.missing(connection, failed, key="ms-77", name="Cy")
        by_hand = b.invoice(connection, number="usage by hand", status="Error", run=10)
        b.lines(connection, by_hand, run=10, usage=[b.usage_line(1, account_id="A2")], publish=False)
        b.invoice(connection, number="nobody's", status="Error", run=11)
    return engine


@pytest.mark.parametrize(
    ("customers", "numbers"),
    [
        (("A1",), {"billed", "used"}),
        (("A2",), {"preview", "usage by hand"}),
        (("ms-77",), {"preview"}),
        (("A1", "ms-77"), {"billed", "used", "preview"}),
        (("A3",), set()),
    ],
)
def test_a_customer_filter_finds_published_staged_and_missing_alike(shop: Engine, customers: tuple[str, ...], numbers: set[str]):
    with shop.connect() as connection:
        found = invoice_status.load(connection, InvoiceFilter(customers=customers), now=b.NOW)
    assert {i.number for i in found.invoices} == numbers


def test_every_customer_has_a_name_of_its_own_and_says_where_our_records_lack_it(shop: Engine):
    with shop.begin() as connection:
        b.customer(connection, "A3", "Bo")
        assert invoice_status.customers(connection) == {"A1": "Ana", "A2": "Bo (A2)", "A3": "Bo (A3)", "ms-77": "Cy, not in our records"}
        assert list(invoice_status.customers(connection)) == ["A1", "A2", "A3", "ms-77"]


def test_the_months_of_the_chart_add_up_to_the_invoices(report):
    found = report(
        {"header": "100.1", "on": date(2026, 10, 8)},
        {"header": "30"},
        {"header": "5", "status": "Error"},
        {"header": "8", "status": "Deactivated"},
    )
    assert [(m.month, m.billed, m.held_up) for m in found.months] == [
        ("2026-10", Decimal("100.1"), Decimal(0)),
        ("2026-11", Decimal("30"), Decimal("5")),
    ]


def test_the_table_shows_amounts_and_age_as_people_read_them(report):
    from w365core.reports.tables import shown

    found = report({"header": "1234.5", "difference": "0.01", "first_seen": b.NOW - timedelta(days=2)})
    cells = {column.label: shown(column, found.table.rows[0]) for column in found.table.columns}
    assert (cells["Header total"], cells["Lines total"], cells["Difference"], cells["First seen"]) == (
        "1,234.50",
        "1,234.49",
        "0.01",
        "2 days",
    )


def test_no_invoices_make_no_tiles(report):
    assert report().tiles == ()
