"""Is an invoice shown down to its lines, page by page, and nothing of it lost or said twice?"""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, text

from tests.reports import builders as b
from w365core.reports import invoice_detail


@pytest.fixture
def connection(engine: Engine):
    with engine.connect() as opened:
        yield opened


def detail(connection: Connection, invoice_id: int) -> invoice_detail.InvoiceDetail:
    return invoice_detail.load(connection, invoice_id, now=b.NOW)


def test_the_identity_reads_as_a_sum(connection: Connection):
    found = detail(connection, b.invoice(connection, header="119.01", usage="20", tax="19", difference="0.01"))
    assert [(part.sign, part.label, part.value) for part in found.identity] == [
        ("", "License", "80.00"),
        ("+", "Usage", "20.00"),
        ("+", "Tax", "19.00"),
        ("+", "Rounding", "0.01"),
        ("=", "Header", "119.01 EUR"),
    ]


@pytest.mark.parametrize(("status", "label"), [("Active", "Overridden"), ("Error", "Difference")])
def test_what_rounding_does_not_explain_is_overridden_or_a_difference(connection: Connection, status: str, label: str):
    found = detail(connection, b.invoice(connection, status=status, header="100", difference="12.5"))
    assert [(part.label, part.value) for part in found.identity[-2:]] == [(label, "12.50"), ("Header", "100.00 EUR")]


def test_an_invoice_without_lines_has_no_identity_to_show(connection: Connection):
    assert detail(connection, b.invoice(connection, header=None, status="Error")).identity == ()


def test_an_unknown_invoice_is_none(connection: Connection):
    assert detail(connection, 4711) is None


def test_pages_of_lines_hold_every_line_once_in_order(connection: Connection):
    invoice_id = b.invoice(connection, run=7)
    b.lines(connection, invoice_id, run=7, license=[b.license_line(n) for n in range(1, 402)])
    invoice = detail(connection, invoice_id).invoice
    seen, after = [], None
    for size in (200, 200, 1):
        page = invoice_detail.license_page(connection, invoice, after=after)
        assert len(page.table.rows) == size
        seen += [row["line_number"] for row in page.table.rows]
        after = page.next
    assert after is None and seen == list(range(1, 402))


def test_the_last_page_that_is_exactly_full_has_no_next(connection: Connection):
    invoice_id = b.invoice(connection, run=7)
    b.lines(connection, invoice_id, run=7, license=[b.license_line(n) for n in range(1, 201)])
    assert invoice_detail.license_page(connection, detail(connection, invoice_id).invoice).next is None


def test_pages_of_summaries_go_by_cost_and_lose_none_of_equal_cost(connection: Connection):
    invoice_id = b.invoice(connection)
    for n in range(450):
        b.summary(connection, invoice_id, usage_id=f"u-{n:04}", cost=str(n % 3))
    invoice, seen, after = detail(connection, invoice_id).invoice, [], None
    while True:
        page = invoice_detail.summary_page(connection, invoice, after=after)
        seen += [(row["cost"], row["usage_id"]) for row in page.table.rows]
        if (after := page.next) is None:
            break
    assert len(set(seen)) == 450 and seen == sorted(seen, key=lambda one: (-one[0], one[1]))


def test_lines_with_tax_come_by_the_size_of_their_tax_and_lose_none_of_equal_size(connection: Connection):
    invoice_id = b.invoice(connection, run=7)
    taxes = [str(n % 7 - 3) for n in range(1, 501)]
    b.lines(connection, invoice_id, run=7, license=[b.license_line(n, tax_total=tax) for n, tax in enumerate(taxes, start=1)])
    invoice, seen, after = detail(connection, invoice_id).invoice, [], None
    while True:
        page = invoice_detail.license_page(connection, invoice, only="taxed", after=after)
        seen += [(abs(row["tax_total"]), row["line_number"]) for row in page.table.rows]
        if (after := page.next) is None:
            break
    expected = [(abs(Decimal(tax)), n) for n, tax in enumerate(taxes, start=1) if tax != "0"]
    assert seen == sorted(expected, key=lambda one: (-one[0], one[1]))
    assert [row["line_number"] for row in invoice_detail.every_license_line(connection, invoice, only="taxed")] == [n for _, n in seen]


@pytest.mark.parametrize("kind", ["license", "usage"])
def test_lines_of_one_kind_are_all_of_it_and_nothing_else(connection: Connection, kind: str):
    invoice_id = b.invoice(connection, run=7)
    b.lines(connection, invoice_id, run=7, license=[b.license_line(n, kind="usage" if n % 3 else "license") for n in range(1, 8)])
    invoice = detail(connection, invoice_id).invoice
    rows = invoice_detail.license_page(connection, invoice, only=kind).table.rows
    assert [row["line_number"] for row in rows] == [n for n in range(1, 8) if bool(n % 3) == (kind == "usage")]
    assert [row["line_number"] for row in rows] == [
        row["line_number"] for row in invoice_detail.every_license_line(connection, invoice, only=kind)
    ]


def test_every_term_of_the_identity_leads_somewhere(connection: Connection):
    found = detail(connection, b.invoice(connection, status="Error", header="119.01", usage="20", tax="19", difference="12.5"))
    assert {part.label: part.leads for part in found.identity} == {
        "License": "license", "Usage": "usage", "Tax": "taxed", "Rounding": "gap", "Difference": "gap", "Header": "received"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"header": "0"}, "Its total is 0.00 EUR"),
        ({"lines_total": None}, "never added up"),
        ({"message": "Fewer days than usual."}, "Fewer days"),
    ],
)
def test_an_active_invoice_that_is_doubtful_is_a_warning_with_its_sentence(connection: Connection, more: dict, said: str):
    found = detail(connection, b.invoice(connection, **more))
    assert found.invoice.standing == "Warning" and said in found.attention.sentence


def test_the_lines_of_one_summary_are_its_own(connection: Connection):
    invoice_id = b.invoice(connection, run=8)
    b.lines(connection, invoice_id, run=8, usage=[b.usage_line(n, usage_id=f"u-{n % 2}") for n in range(1, 11)])
    invoice = detail(connection, invoice_id).invoice
    page = invoice_detail.usage_page(connection, invoice, usage_id="u-1")
    assert [row["line_number"] for row in page.table.rows] == [1, 3, 5, 7, 9]
    assert {row["currency"] for row in page.table.rows} == {"EUR"}
    assert sum(row["billing_pre_tax_total"] for row in invoice_detail.every_usage_line(connection, invoice, usage_id="u-1")) == Decimal(
        "6.25"
    )


def test_an_invoice_in_error_shows_its_staged_lines_as_a_preview(connection: Connection):
    invoice_id = b.invoice(connection, status="Error", run=9)
    b.lines(connection, invoice_id, run=9, license=[b.license_line(1)], publish=False)
    found = detail(connection, invoice_id)
    assert found.is_preview
    assert len(invoice_detail.license_page(connection, found.invoice).table.rows) == 1
    assert [c.total for c in invoice_detail.customers(connection, invoice_id)] == [Decimal("10.00")]


def test_customers_come_with_license_and_usage_apart_and_the_biggest_first(connection: Connection):
    b.customer(connection, "A1", "Big")
    invoice_id = b.invoice(connection, run=7)
    rows = [
        b.license_line(1, total="5", customer_name="Unmapped"),
        b.license_line(2, total="20", account_id="A1"),
        b.license_line(3, total="7", account_id="A1", kind="usage"),
    ]
    b.lines(connection, invoice_id, run=7, license=rows)
    assert [(c.name, c.license, c.usage, c.total) for c in invoice_detail.customers(connection, invoice_id)] == [
        ("Big", Decimal(20), Decimal(7), Decimal(27)),
        ("Unmapped", Decimal(5), Decimal(0), Decimal(5)),
    ]


def test_history_tells_attempts_and_the_audit_log_latest_first(connection: Connection):
    invoice_id = b.invoice(connection)
    b.happened(connection, provider="csp-demo", number="D0300A1B2C", invoice_id=invoice_id)
    rows = invoice_detail.history(connection, detail(connection, invoice_id).invoice).rows
    assert [(row["what"].split(" ")[0], row["who"], row["result"]) for row in rows] == [
        ("import", "ana", "Active / Active"),
        ("Import", "", "done"),
    ]
    assert rows[1]["said"] == "7 lines"


def test_the_first_page_of_a_large_invoice_is_there_in_less_than_300_ms(engine: Engine):
    with engine.begin() as connection:
        invoice_id = b.invoice(connection, run=7)
        b.lines(connection, invoice_id, run=7, usage=[b.usage_line(1)])
        connection.execute(
            text(
                "insert into usage_line (provider_invoice_id, line_number, usage_id, billing_pre_tax_total, billing_currency) "
                "select :id, n, 'u-' || n % 100, 1.25, 'EUR' from generate_series(2, 100000) n"
            ),
            {"id": invoice_id},
        )
    with engine.connect() as connection:
        invoice = detail(connection, invoice_id).invoice
        invoice_detail.usage_page(connection, invoice)
        began = time.perf_counter()
        rows = invoice_detail.usage_page(connection, invoice).table.rows
        middle = invoice_detail.usage_page(connection, invoice, after=60_000).table.rows
        of_one = invoice_detail.usage_page(connection, invoice, usage_id="u-50").table.rows
        took = time.perf_counter() - began
    assert (rows[0]["line_number"], middle[0]["line_number"], of_one[0]["line_number"]) == (1, 60_001, 50)
    assert took < 0.9, f"three pages took {took:.3f} s"
