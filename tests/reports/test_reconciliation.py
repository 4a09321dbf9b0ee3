"""Does the page add up: tiles and identities per currency, the worklist by money, files whose sums are the invoice's?"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
import python_calamine
from sqlalchemy import Engine, update

from tests.reconciled_rows import Run
from w365core.reconciliation import FindingKind
from w365core.reports import finding_words, receipts, reconciliation, reconciliation_files, reconciliation_scope
from w365core.reports.reconciliation import RowFilter, Wanted
from w365core.reports.reconciliation_evidence import load as evidence
from w365core.store import reconciled
from w365core.store.tables import provider_invoice, subscription


@pytest.fixture
def load(engine: Engine):
    def loaded(**wanted) -> reconciliation.Reconciliation:
        with engine.connect() as connection:
            return reconciliation.load(connection, Wanted(**wanted))

    return loaded


def tiles(report) -> dict[str, str]:
    return {f"{tile.label} {tile.currency}": tile.value for row in report.tiles for tile in row}


def test_currencies_stand_side_by_side_and_are_never_added(engine, load) -> None:
    Run(engine, "G1").row(money_at_risk="20.00")
    Run(engine, "G2", currency="USD").row(of="S-2", money_at_risk="30.00")
    report = load(month="2026-11")
    assert tiles(report)["At risk EUR"] == "20.00 EUR" and tiles(report)["At risk USD"] == "30.00 USD"
    assert report.found_money == "20.00 EUR and 30.00 USD" and [flow.currency for flow in report.flows] == ["EUR", "USD"]


def test_both_identities_hold_and_the_steps_end_at_what_is_unexplained(engine, load) -> None:
    run = Run(engine)
    for place, verdict in enumerate(("confirmed", "explained_not_invoiced", "excluded", "unexplained", "no_subscription")):
        run.row(verdict, of=f"S-{place}", subtotal=f"{place + 1}00.00")
    (flow,) = load().flows
    for head, *parts in (flow.header, flow.lines):
        assert head.amount == sum(part.amount for part in parts)
    first, *between, last = (amount for _, amount, _ in flow.steps)
    assert first + sum(between) == last == Decimal("900.00")


def test_rows_whose_money_nobody_knows_stand_before_those_with_none(engine, load) -> None:
    run = Run(engine)
    run.row(of="S-1", money_at_risk=0), run.row(of="S-2", money_at_risk=None), run.row(of="S-3", money_at_risk="5.00")
    assert [item.money for item in load().items] == ["price unknown", "5.00 EUR", "0.00 EUR"]


def test_the_latest_run_of_an_invoice_is_the_one_that_is_shown(engine, load) -> None:
    run = Run(engine)
    run.row(money_at_risk="20.00")
    run.again()
    run.row(of="S-2", money_at_risk="7.00")
    report = load()
    assert [item.money for item in report.items] == ["7.00 EUR"] and report.all_rows == 1


def test_pages_of_the_worklist_hold_every_row_once(engine, load) -> None:
    Run(engine).many(30)
    seen = [item.line_id for page in range(3) for item in load(page=page).items]
    assert len(seen) == len(set(seen)) == 30 and load().pages == 3


def test_a_filter_finds_what_its_group_counted(engine, load) -> None:
    run = Run(engine)
    run.row(of="S-1"), run.row("excluded", of="S-2"), run.row("excluded", of="S-3", customer="Fabrikam")
    for by, name in (("customer", "customers"), ("product", "products"), ("verdict", "verdicts")):
        for group in load(by=by).groups:
            assert load(rows=RowFilter(states=("open",), **{name: (group.key,)})).found == group.rows
    assert load().choices["customers"] == {"A-Contoso": "Contoso (2)", "A-Fabrikam": "Fabrikam (1)"}


def test_an_invoice_without_rows_has_no_green_tick(engine, load) -> None:
    run = Run(engine)
    assert (load().all_rows, load().open_rows, load().scope.runs) == (0, 0, (run.run,))


def test_the_evidence_of_a_row_has_its_lines_its_logs_and_the_way_on(engine, load) -> None:
    run = Run(engine)
    first, second = run.row("explained_not_invoiced", residual=None), run.row(of="S-2", money_at_risk="5.00")
    run.log(first, "10", on=date(2026, 1, 1), outside=False, billing="invoiced"), run.log(first, "2", worth="9.00")
    run.line(1), run.line(2, charge_start=date(2026, 9, 1), charge_end=date(2026, 9, 30))
    with engine.connect() as connection:
        found = evidence(connection, load().scope, Wanted(), run=run.run, line_id=first)
    assert (found.place, found.rows, found.before, found.after) == (1, 2, None, (run.run, second))
    assert [line["line_number"] for line in found.lines.rows] == [1]
    assert [(log["part"], log["after"], log["worth"]) for log in found.change_logs.rows] == [("yes", 10, None), ("no", 12, Decimal("9.00"))]
    assert [(step.day, step.seats) for step in found.history.ours] == [(date(2026, 1, 1), 10), (date(2026, 10, 12), 12)]
    assert [(step.day, step.seats) for step in found.history.theirs] == [
        (date(2026, 10, 1), 12),
        (date(2026, 11, 1), 12),
        (date(2026, 11, 1), None),
    ]


def test_an_invoice_that_agreed_in_its_time_and_differs_since_says_so(engine, load) -> None:
    earlier = Run(engine, "G0", on=date(2026, 10, 8))
    window = {"charge_start": date(2026, 9, 1), "charge_end": date(2026, 9, 30)}
    earlier.row("explained_not_invoiced", **window, provider_quantity=12, our_quantity_then=12, residual=None)
    run = Run(engine)
    line = run.row("unexplained", provider_quantity=12, our_quantity_then=10)
    with engine.connect() as connection:
        found = evidence(connection, load().scope, Wanted(), run=run.run, line_id=line)
    assert [(row["invoice_number"], row["our_quantity_then"], row["our_quantity"], row["then_label"]) for row in found.windows.rows] == [
        ("G0", 12, 10, "agreed; changed later"),
        ("G1", 10, 10, ""),
    ]


def test_the_workbook_has_a_sheet_for_each_verdict_and_ids_are_text(engine, load) -> None:
    run = Run(engine)
    run.row(of="00042", customer="=cmd()"), run.row("excluded", of="S-2"), run.row("confirmed", of="S-3")
    with engine.connect() as connection:
        content = reconciliation_files.excel(connection, load().scope, RowFilter())
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == ["Confirmed", "Archived, never billed", "Unexplained"]
    header, line = book.get_sheet_by_name("Unexplained").to_python()
    cells = dict(zip(header, line, strict=True))
    assert (cells["Subscription"], cells["Customer"], cells["Charged"], cells["Charged from"]) == (
        "00042",
        "'=cmd()",
        100.0,
        date(2026, 10, 1),
    )


def test_the_csv_has_every_row_that_the_filter_leaves_with_its_sentence(engine, load) -> None:
    run = Run(engine)
    run.row(), run.row("confirmed", of="S-2")
    with engine.connect() as connection:
        content = reconciliation_files.csv(connection, load().scope, RowFilter(states=("open",)))
    (line,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert line["Verdict code"] == "unexplained" and "no change of ours explains it" in line["What happened"]


def test_focus_rows_come_to_the_header_and_their_periods_end_exclusively(engine, load) -> None:
    run = Run(engine)
    run.row()
    (
        run.line(1, subtotal="100.00", tax_total="19.00", total="119.00"),
        run.line(2, subtotal="-7.50", charge_type="customerCredit", sku_id="0001"),
    )
    with engine.connect() as connection:
        scope = reconciliation_scope.load(connection, invoice_id=None, month=None)
        lines = list(csv.DictReader(io.StringIO(reconciliation_files.focus(connection, scope).decode("utf-8-sig"))))
    assert sum(Decimal(line["BilledCost"]) for line in lines) == Decimal("111.50")
    assert [line["ChargeCategory"] for line in lines] == ["Purchase", "Tax", "Credit"]
    assert (lines[0]["ChargePeriodStart"], lines[0]["ChargePeriodEnd"]) == ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert (lines[2]["SkuId"], lines[0]["InvoiceIssuerName"], lines[0]["x_SubscriptionId"]) == ("0001", "Microsoft", "S-1")


def test_seats_that_no_invoice_of_the_month_has_count_once_over_all_of_them_and_stand_on_each(engine, load) -> None:
    for number in ("G1", "G2"):
        missing = {"charge_start": None, "charge_end": None, "line_id": "S-1/not-on-invoice", "subtotal": None, "money_at_risk": "75.00"}
        Run(engine, number).row("not_on_invoice", **missing)
    assert load(month="2026-11").found_money == "75.00 EUR" and tiles(load(month="2026-11"))["At risk EUR"] == "75.00 EUR"
    assert [load(invoice_id=one["provider_invoice_id"]).found for one in load().scope.known] == [1, 1]


def test_the_focus_file_of_a_month_holds_what_the_page_shows_and_comes_to_its_header(engine, load) -> None:
    for number, said in (("G1", {}), ("G2", {"state": "Inactive", "status_reason": "Error"}), ("G3", {})):
        run = Run(engine, number)
        run.row(of=f"S-{number}")
        run.line(1, of=f"S-{number}", subtotal="100.00")
        if said:
            with engine.begin() as connection:
                connection.execute(update(provider_invoice).where(provider_invoice.c.invoice_number == number).values(**said))
    run.forget()  # nobody has reconciled G3
    report = load(month="2026-11")
    with engine.connect() as connection:
        lines = list(csv.DictReader(io.StringIO(reconciliation_files.focus(connection, report.scope).decode("utf-8-sig"))))
        one = reconciliation_scope.load(connection, invoice_id=run.invoice_id, month=None)
        alone = list(csv.DictReader(io.StringIO(reconciliation_files.focus(connection, one).decode("utf-8-sig"))))
    assert [line["InvoiceId"] for line in lines] == ["G1"] and [line["InvoiceId"] for line in alone] == ["G3"]
    assert sum(Decimal(line["BilledCost"]) for line in lines) == report.flows[0].header[0].amount == Decimal("100.00")


def test_every_kind_of_finding_has_a_name() -> None:
    assert set(finding_words.LABELS) == set(FindingKind)


@pytest.mark.parametrize(
    ("kind", "said", "sentence"),
    [
        ("amount_off", {"found": "1041.5", "expected": "1041"},
         "The amount is 1,041.50 EUR, and the provider's own rules of rounding give 1,041.00 EUR for its price and 12 seats."),
        ("above_list", {"found": "12.5", "expected": "10"}, "A seat costs 12.50 USD in this window, and the list price for it is 10.00 USD."),
        ("charged_twice", {"found": "2400", "expected": "1200", "line_number": None},
         "The window is charged more than once: 2,400.00 EUR together, where one charge is 1,200.00 EUR; no credit takes one back."),
        ("billed_after_cancellation", {"found": "1041.5", "expected": "0", "reason":
         "The subscription was cancelled on 2026-04-02, and this window starts after it."},
         "The subscription was cancelled on 2 Apr 2026, and this window starts after it."),
    ],
)  # fmt: skip
def test_a_finding_reads_with_its_currency_and_its_day_as_a_person_writes_it(engine, load, kind, said, sentence) -> None:
    run = Run(engine)
    line = run.row()
    run.line(1, subtotal="1041.5", effective_unit_price="12.5", pricing_currency="USD")
    run.finding(line, kind, **{"line_number": 1, **said})
    report = load()
    assert [one.sentence for one in report.findings] == [sentence] == [row["reason"] for row in report.findings_table.rows]


def test_a_finding_of_a_line_that_was_imported_anew_names_no_quantity_of_another_line(engine, load) -> None:
    run = Run(engine)
    run.line(1, subtotal="7.00")
    run.finding(run.row(), found="41.5", expected="41.25", line_number=1)
    assert load().findings[0].sentence.endswith("give 41.25 EUR for its price and quantity.")


def test_a_row_that_goes_on_says_since_when_as_its_evidence_does(engine, load) -> None:
    for number, month in (("G0", 9), ("G1", 10), ("G2", 11)):
        window = {"charge_start": date(2026, month - 1, 1), "charge_end": date(2026, month, 1) - timedelta(days=1)}
        Run(engine, number, on=date(2026, month, 8)).row(money_at_risk="20.00", **window)
    assert [item.small_print for item in load().items] == ["third month, 60.00 EUR so far"]


def test_our_prices_stand_in_our_own_currency(engine, load) -> None:
    run = Run(engine)
    line = run.row(price_verdict="price_unknown", unit_cost="4.00", selling_price="5.00", money_at_risk=None)
    with engine.begin() as connection:
        connection.execute(update(subscription).values(currency="USD"))
    with engine.connect() as connection:
        found = evidence(connection, load().scope, Wanted(), run=run.run, line_id=line)
        content = reconciliation_files.csv(connection, load().scope, RowFilter())
    assert "a seat costs 4.00 EUR a month and sells for 5.00 USD." in found.more[-1]
    (written,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert (written["Currency"], written["Currency of our prices"]) == ("EUR", "USD")


def test_what_is_announced_of_many_rows_is_what_the_receipt_says(engine, load) -> None:
    runs = [Run(engine, number) for number in ("G1", "G2", "G3")]
    absent = {"charge_start": None, "charge_end": None, "line_id": "S-1/not-on-invoice", "subtotal": None, "money_at_risk": "75.50"}
    for place, run in enumerate(runs):
        run.row("not_on_invoice", **absent), run.row(of=f"S-{place + 2}", money_at_risk="1000")
    report = load(month="2026-11")
    with engine.connect() as connection:
        twins = receipts.twins(connection, report.scope.runs, RowFilter(states=("open",)))
    parts = [receipts.Part(run.number, 2, Decimal("1075.50"), 0, "EUR") for run in runs]
    assert (report.found, report.found_money) == (4, "3,075.50 EUR")
    assert receipts.receipt(parts, twins, done="accepted") == (
        "4 rows of 3 invoices, 3,075.50 EUR at risk: accepted. With them 2 twin rows of seats that no invoice of the month has."
    )
    (before,) = receipts.announced(twins)
    assert "2 twin rows of theirs on its other invoices go with them." in before


def test_what_is_counted_of_a_view_is_what_the_database_counts(engine, load) -> None:
    run = Run(engine)
    run.row(of="S-1"), run.row("confirmed", of="S-2"), run.decided(run.row(of="S-3"))
    Run(engine, "G2", currency="USD").row(of="S-4")
    for states in (("open",), ("accepted",), ("confirmed",), ()):
        with engine.connect() as connection:
            counted = reconciled.count(connection, load(month="2026-11").scope.runs, RowFilter(states=states))
        assert list(load(month="2026-11", rows=RowFilter(states=states)).matching) == counted
