"""Does an invoice get in whole or not at all, and exactly as the provider says it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from tests import estates
from tests.estates import Estate, Served, daily, seat, usage
from w365core.errors import CallRefused
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.store import queries
from w365core.store.tables import license_line, provider_invoice, usage_line, usage_summary

D = Decimal


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def sync(context: Context, number: str = "G1", override: str | None = None) -> Outcome:
    result = syncing.sync_invoice(
        context, provider_name=estates.PROVIDER, invoice_number=number, override=None if override is None else D(override)
    )
    return result.outcomes[0]


def invoice(context: Context, number: str = "G1"):
    with context.engine.connect() as connection:
        return connection.execute(select(provider_invoice).where(provider_invoice.c.invoice_number == number)).one()


def rows(context: Context, table) -> list:
    with context.engine.connect() as connection:
        return connection.execute(select(table).order_by(*table.primary_key)).all()


def deactivated(context: Context, number: str = "G1") -> None:
    """By hand, as the command is not there yet: the lines stay, the invoice is no longer Active."""
    with context.engine.begin() as connection:
        connection.execute(
            provider_invoice.update()
            .where(provider_invoice.c.invoice_number == number)
            .values(state="Inactive", status_reason="Deactivated")
        )


def test_an_invoice_comes_in_over_http_to_the_last_digit(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    outcome = sync(configured)
    assert (outcome.status, outcome.exit_code, outcome.lines) == ("Active/Active", 0, 8)
    found = invoice(configured)
    assert (found.state, found.status_reason, found.failure, found.attempts) == ("Active", "Active", None, 1)
    assert (found.header_total, found.lines_total, found.difference) == (D("1220.000"), D("1220.000"), D("0.000"))
    assert (found.license_total, found.usage_total, found.tax_total) == (D("1199.997"), D("20.00"), D("0.003"))
    assert (found.rounding, found.overridden, found.license_lines, found.usage_lines) == (0, 0, 2, 4)
    assert [str(line.subtotal) for line in rows(configured, license_line)] == ["1234.567", "12.34", "-34.57", "7.66"]
    costs = {format(line.billing_pre_tax_total, "f") for line in rows(configured, usage_line)}
    assert costs == {"5.123456789012345678", "14.876543210987654322", "0", "-0.0000001"}
    (summary,) = rows(configured, usage_summary)
    assert str(summary.cost) == "19.9999999"
    assert (summary.subscription_id, summary.account_id, summary.lines, summary.quantity) == ("U-1", "A-1", 4, 4)
    assert (summary.status, summary.confirmed, summary.invoice_number) == ("Not invoiced", True, None)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_the_markup_is_stamped_and_the_selling_amount_rounded_once(configured: Context, served: Served) -> None:
    # 3 x 0.00145 marked up by 15 % is 0.0050025; each line rounded on its own would sell for nothing
    served.estate.invoice("G1", [usage("0.004")], [daily("0.00145", day=day) for day in (1, 2, 3)])
    assert sync(configured).failure is None
    (summary,) = rows(configured, usage_summary)
    assert (str(summary.markup_pct), str(summary.cost), str(summary.selling_amount)) == ("15", "0.00435", "0.01")
    assert {str(line.markup_pct) for line in rows(configured, usage_line)} == {"15"}


def test_a_blank_markup_leaves_the_selling_amount_open_and_blocks_nothing(context: Context, served: Served, tmp_path: Path) -> None:
    subscriptions = (served.estate.records(tmp_path / "r") / "subscriptions.csv").read_text().replace("Usage,15", "Usage,")
    ready = estates.configure(context, served.url, records=served.estate.records(tmp_path / "r", subscriptions=subscriptions))
    served.estate.invoice("G1", [usage()], [daily()])
    assert sync(ready).failure is None
    (summary,) = rows(ready, usage_summary)
    assert (summary.markup_pct, summary.selling_amount) == (None, None)


def test_one_unknown_customer_keeps_everything_out_until_it_is_mapped(context: Context, served: Served, tmp_path: Path) -> None:
    records = served.estate.records(tmp_path / "records", provider_accounts=estates.without_customer(estates.FABRIKAM))
    configured = estates.configure(context, served.url, records=records)
    served.estate.invoice(
        "G1", [seat("100.00"), seat("50.00", CustomerId=estates.FABRIKAM, CustomerName="Fabrikam", CustomerDomainName="fabrikam.example"),
               usage("10.00")], [daily("10.00")],
    )  # fmt: skip
    outcome = sync(configured)
    assert (outcome.status, outcome.failure, outcome.exit_code) == ("Inactive/Error", "unresolved_references", 1)
    assert "Fabrikam" in outcome.message and "50.00 EUR" in outcome.message
    assert estates.children(configured.engine) == (0, 0, 0)
    with configured.engine.connect() as connection:
        number = invoice(configured).provider_invoice_id
        assert queries.is_staged(connection, number)
        assert [line["subtotal"] for line in queries.license_lines(connection, number)] == [D("100.00"), D("50.00"), D("10.00")]
        assert len(queries.usage_lines(connection, number)) == 1
        (missing,) = queries.missing_references(connection)
    assert (missing["kind"], missing["key"], missing["blocking"], missing["lines"]) == ("customer", estates.FABRIKAM, True, 1)
    assert missing["amount"] == D("50.00") and "--account A-2" in missing["suggestion"]
    estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))
    assert sync(configured).status == "Active/Active"
    assert estates.children(configured.engine) == (3, 1, 1)
    assert invoice(configured).attempts == 2
    with configured.engine.connect() as connection:
        assert queries.missing_references(connection) == []
    assert estates.leftovers(configured.engine, configured.settings.home) == []


@pytest.mark.parametrize(
    ("what", "lines", "kind"),
    [
        ("subscription", [seat(SubscriptionId="nobody-knows")], "subscription"),
        ("line currency", [seat(), seat(currency="USD")], "currency"),
        ("no customer at all", [seat(CustomerId="", SubscriptionId="")], "customer"),
    ],
)
def test_each_blocking_reference_keeps_the_invoice_out(configured: Context, served: Served, what: str, lines: list, kind: str) -> None:
    served.estate.invoice("G1", lines, total="100.00")
    outcome = sync(configured)
    assert (outcome.failure, estates.children(configured.engine)) == ("unresolved_references", (0, 0, 0))
    with configured.engine.connect() as connection:
        assert kind in {row["kind"] for row in queries.missing_references(connection)}


@pytest.mark.parametrize(
    ("lines", "daily_lines", "lacks", "money"),
    [
        ([seat("59.50", CustomerId="nobody"), seat("59.50", SubscriptionId="old")], [], "1 customer, 1 subscription", "119.00 EUR"),
        ([seat("59.50", CustomerId="nobody", SubscriptionId="old"), seat()], [], "1 customer, 1 subscription", "59.50 EUR"),
        ([usage("2.00"), usage("3.00", currency="USD")], [daily("2.00", EntitlementId="old"), daily("3.00", EntitlementId="old", currency="USD")],
         "1 subscription, 1 currency", "3.00 USD and 2.00 EUR"),
    ],
    ids=["each lacks another thing", "one lacks both", "one thing in two currencies"],
)  # fmt: skip
def test_what_waits_is_said_with_each_line_and_each_thing_once(
    configured: Context, served: Served, lines: list, daily_lines: list, lacks: str, money: str
) -> None:
    served.estate.invoice("G1", lines, daily_lines)
    said = sync(configured).message
    assert f"Our records lack {lacks} that" in said and f"; {money} of its lines wait" in said


def test_an_unknown_product_warns_and_blocks_nothing(context: Context, served: Served, tmp_path: Path) -> None:
    records = served.estate.records(tmp_path / "records", products="product_id,name\nDZH3,Azure\n")
    configured = estates.configure(context, served.url, records=records)
    served.estate.invoice("G1", [seat()])
    outcome = sync(configured)
    assert outcome.failure is None and "1 product is unknown" in outcome.message
    with configured.engine.connect() as connection:
        (missing,) = queries.missing_references(connection)
    assert (missing["kind"], missing["blocking"]) == ("product", False)


def test_importing_again_swaps_the_lines_and_leaves_one_set(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    sync(configured)
    first, before = invoice(configured), estates.digest(configured.engine)
    for version in (2, 3):
        deactivated(configured)
        assert sync(configured).status == "Active/Active"
        assert estates.digest(configured.engine) == before
        assert (invoice(configured).version, invoice(configured).attempts) == (version, version)
        assert estates.leftovers(configured.engine, configured.settings.home) == []
    assert invoice(configured).provider_invoice_id == first.provider_invoice_id
    deactivated(configured)
    served.estate.invoice("G1", [seat("5.00")])
    assert sync(configured).lines == 1
    assert estates.children(configured.engine) == (1, 0, 0)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_blobs_in_any_order_come_to_the_same_whole(configured: Context, served: Served) -> None:
    lines = [seat(f"{number}.{number:02}1") for number in range(1, 7)] + [usage("0.33"), usage("0.67")]
    rated = [daily(f"0.{number}3", day=number) for number in range(1, 5)]
    digests = set()
    for order in (1, -1):
        served.estate.invoice("G1", lines, rated, blobs=4)
        for feed, rows_of in (("reconciliation", lines), ("usage", rated)):
            served.estate.export("G1", feed, [rows_of[part::4] for part in range(4)][::order])
        assert sync(configured, override="1").failure is None
        digests.add(estates.digest(configured.engine, but=("line_number", "fingerprint")))
        deactivated(configured)
    assert len(digests) == 1


def test_an_active_invoice_is_not_imported_again(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    sync(configured)
    before = estates.digest(configured.engine)
    with pytest.raises(CallRefused, match="is Active and is not downloaded again; deactivate it first"):
        sync(configured)
    assert estates.digest(configured.engine) == before
    assert invoice(configured).attempts == 1


@pytest.mark.parametrize(
    ("total", "override", "passes", "rounding", "overridden"),
    [
        ("100.05", None, True, "0.05", "0"),
        ("99.95", None, True, "-0.05", "0"),
        ("100.06", None, False, "0", "0.06"),
        ("99.94", None, False, "0", "-0.06"),
        ("100.06", "1", True, "0", "0.06"),
        ("100.06", "0.06", True, "0", "0.06"),
        ("100.06", "0.059", False, "0", "0.06"),
        ("100.05", "1", True, "0.05", "0"),
        ("1429.7525", "1330", True, "0", "1329.7525"),
    ],
)
def test_the_header_is_checked_inclusively_and_never_adjusted(
    configured: Context, served: Served, total: str, override: str | None, passes: bool, rounding: str, overridden: str
) -> None:
    served.estate.invoice("G1", [seat("100.00")], total=total)
    outcome = sync(configured, override=override)
    found = invoice(configured)
    assert (outcome.failure is None) == passes
    assert (found.header_total, found.lines_total, found.difference) == (D(total), D("100.00"), D(total) - 100)
    assert (found.rounding, found.overridden) == (D(rounding), D(overridden))
    assert found.header_total == found.license_total + found.usage_total + found.tax_total + found.rounding + found.overridden
    if not passes:
        assert outcome.failure == "checksum_failed" and f"{D(total) - 100} EUR" in outcome.message
        assert "An override tolerance of 1 would pass" in outcome.message
        assert estates.children(configured.engine) == (0, 0, 0)


def test_the_default_tolerance_is_in_base_currency(configured: Context, served: Served) -> None:
    # 1 USD is 0.50 EUR: 0.10 USD are 0.05 EUR
    served.estate.invoice("G1", [seat(currency="USD")], total="100.10", currency="USD")
    served.estate.invoice("G2", [seat(currency="USD")], total="100.11", currency="USD")
    assert (sync(configured, "G1").failure, sync(configured, "G2").failure) == (None, "checksum_failed")
    assert invoice(configured, "G2").tolerance == D("0.1")


@pytest.mark.parametrize(("daily_cost", "passes"), [("9.95", True), ("10.05", True), ("9.94", False), ("10.06", False)])
def test_usage_is_checked_against_the_daily_rated_file(configured: Context, served: Served, daily_cost: str, passes: bool) -> None:
    served.estate.invoice("G1", [seat(), usage("10.00")], [daily(daily_cost)])
    outcome = sync(configured)
    assert (outcome.failure is None) == passes
    assert invoice(configured).daily_rated_total == D(daily_cost)


def test_the_daily_rated_file_may_differ_by_a_cent_a_line(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [usage("10.00")], [daily("1.01", day=day) for day in range(1, 11)])
    assert sync(configured).failure is None


def test_usage_without_its_daily_file_waits_and_is_taken_by_hand_after_the_window(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00"), usage("10.00", SubscriptionId=estates.AZURE)])
    outcome = sync(configured)
    assert outcome.failure == "checksum_failed" and "daily usage not published" in outcome.message
    on_the_last_day = configured.at(configured.now + timedelta(days=15, hours=17))
    assert sync(on_the_last_day).failure == "checksum_failed"
    the_day_after = configured.at(configured.now + timedelta(days=16))
    outcome = sync(the_day_after)
    assert outcome.status == "Active/Active" and "reconciliation file were taken instead" in outcome.message
    assert estates.children(configured.engine) == (2, 1, 1)


def test_no_usage_and_no_daily_file_is_no_error(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat()])
    assert sync(configured).status == "Active/Active"


def test_a_credit_note_comes_in_with_its_negative_total(configured: Context, served: Served) -> None:
    served.estate.invoice("C1", [seat("-75.50", tax="-14.35", ChargeType="customerCredit")], documentType="credit_note")
    assert sync(configured, "C1").status == "Active/Active"
    found = invoice(configured, "C1")
    assert (found.document_type, found.header_total, found.tax_total) == ("credit_note", D("-89.85"), D("-14.35"))


def test_an_amendment_is_a_document_of_its_own(configured: Context, served: Served) -> None:
    note = {
        "id": "A1",
        "invoiceDate": "2026-11-09T00:00:00Z",
        "currencyCode": "EUR",
        "totalCharges": -100.00,
        "documentType": "adjustment_note",
    }
    served.estate.invoice("G1", [seat("100.00")], amendments=[note])
    served.estate.invoice("A1", [seat("-100.00")], unlisted=True)
    result = syncing.sync_daily(configured, provider_name=None)
    assert [(o.invoice, o.status) for o in result.outcomes] == [("G1", "Active/Active"), ("A1", "Active/Active")]
    assert (invoice(configured, "A1").amends_of, invoice(configured, "A1").document_type) == ("G1", "adjustment_note")


def test_an_invoice_over_nothing_comes_in_with_a_warning(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [], total="0")
    outcome = sync(configured)
    assert outcome.status == "Active/Active" and "may not have finished publishing" in outcome.message


def test_a_line_that_cannot_be_read_names_itself_and_keeps_the_invoice_out(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00"), seat("7.00") | {"Subtotal": "seven"}], total="107.00")
    outcome = sync(configured)
    assert (outcome.failure, outcome.exit_code) == ("invalid_data", 1)
    assert "'seven'" in outcome.message and "Subtotal" in outcome.message and "part-00000" in outcome.message
    assert estates.children(configured.engine) == (0, 0, 0)


def test_a_failure_at_the_provider_says_nothing_of_sums_it_never_saw(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [seat("100.00")], total="150.00")
    assert sync(configured).failure == "checksum_failed"
    served.faults.replace(["500@export"])
    impatient = replace(configured, settings=replace(configured.settings, http_tries=1))
    served.estate.invoice("G1", [seat("100.00")], total="160.00")
    assert sync(impatient).failure == "provider_error"
    found = invoice(configured)
    assert (found.header_total, found.lines_total, found.difference, found.license_lines) == (D("160.00"), None, None, 0)


def test_the_landing_has_every_answer_and_blob_byte_for_byte(configured: Context, served: Served) -> None:
    estates.two_invoices_worth(served.estate)
    sync(configured)
    exports = served.estate.folder / "partner_center" / "exports" / "G1"
    sent = sorted(blob.read_bytes() for blob in exports.glob("*/part-*"))
    with configured.engine.connect() as connection:
        kept = connection.exec_driver_sql("select fingerprint, purpose, url from landed_answer").all()
    landed = sorted(
        configured.landing.path(row.fingerprint).read_bytes() for row in kept if row.purpose in ("reconciliation", "daily_rated")
    )
    assert landed == sent
    listing = next(row for row in kept if row.purpose == "invoices")
    assert b'"G1"' in configured.landing.read_answer(listing.fingerprint)
